import { createHash, timingSafeEqual } from 'node:crypto'

export interface User {
  readonly name: string
  readonly password: string
}

/** What one client may do. */
export interface Grant {
  mayPublish(topic: string): boolean
  maySubscribe(filter: string): boolean
}

/** Who may do what: the one place that decides. */
export interface Access {
  /** What a client with these credentials may do; undefined: it may not connect. */
  grant(username: string | undefined, password: Uint8Array | undefined): Grant | undefined
}

/** Every topic but the broker's own. */
const MEMBER: Grant = { mayPublish: topic => !topic.startsWith('$'), maySubscribe: () => true }

/** Anybody, or where there are users only these. */
export function accessFor(users: readonly User[]): Access {
  const known = users.map(({ name, password }) => ({ name, matches: passwordMatcher(password) }))
  return {
    grant: (username, password) => {
      // Every user is compared, so that the time taken says nothing.
      const welcome = known.map(({ name, matches }) => matches(password) && name === username).includes(true)
      return welcome || known.length === 0 ? MEMBER : undefined
    },
  }
}

/** Compares with `password` in a time that does not tell how much of it is right. */
export function passwordMatcher(password: string): (given: Uint8Array | undefined) => boolean {
  const right = digest(Buffer.from(password))
  return given => timingSafeEqual(right, digest(given ?? new Uint8Array()))
}

function digest(password: Uint8Array): Buffer {
  return createHash('sha256').update(password).digest()
}
