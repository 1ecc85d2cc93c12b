import { createHash, timingSafeEqual } from 'node:crypto'

export interface User {
  readonly name: string
  readonly password: string
}

/** Who may do what: the one place that decides. */
export interface Access {
  /** Whether a client with these credentials may connect. */
  authenticate(username: string | undefined, password: Uint8Array | undefined): boolean
  mayPublish(topic: string): boolean
  maySubscribe(filter: string): boolean
}

/** Anybody, or where there are users only these; whoever is in may use every topic but the broker's own. */
export function accessFor(users: readonly User[]): Access {
  const known = users.map(({ name, password }) => ({ name, digest: digest(Buffer.from(password)) }))
  return {
    authenticate: (username, password) => {
      if (known.length === 0) return true
      const given = digest(password ?? new Uint8Array())
      // Every user is compared, and in constant time, so that the time taken says nothing.
      return known.map(user => timingSafeEqual(user.digest, given) && user.name === username).includes(true)
    },
    mayPublish: topic => !topic.startsWith('$'),
    maySubscribe: () => true,
  }
}

function digest(password: Uint8Array): Buffer {
  return createHash('sha256').update(password).digest()
}
