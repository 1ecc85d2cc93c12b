import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { portOf } from './ports.js'

/** A cable between a client and a broker: what goes through it can be cut and frozen. */
export interface Cable {
  readonly url: string
  /** Breaks the connections that are there; new ones come about. */
  cut(): void
  /** Takes nothing from the clients any more, and lets them believe that all is well. */
  freeze(): void
  close(): Promise<void>
}

export async function cableTo(brokerUrl: string): Promise<Cable> {
  const { hostname, port } = new URL(brokerUrl)
  const pairs = new Set<{ near: Socket; far: Socket }>()
  const server = createServer({ noDelay: true }, near => {
    const far = connect({ port: Number(port), host: hostname, noDelay: true })
    const pair = { near, far }
    pairs.add(pair)
    const drop = () => {
      near.destroy()
      far.destroy()
      pairs.delete(pair)
    }
    for (const socket of [near, far]) socket.on('error', drop).on('close', drop)
    near.pipe(far).pipe(near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    for (const { near, far } of pairs) {
      near.destroy()
      far.destroy()
    }
  }
  return {
    url: `mqtt://127.0.0.1:${portOf(server)}`,
    cut,
    freeze: () => {
      for (const { near, far } of pairs) near.unpipe(far).pause()
    },
    close: async () => {
      server.close()
      cut()
      await once(server, 'close')
    },
  }
}
