import { randomInt } from 'node:crypto'
import { createServer, type Server } from 'node:net'

/** The port of a server that listens on TCP. */
export function portOf(server: Server): number {
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server does not listen on TCP')
  return address.port
}

/** Below those that systems give to whoever asks for any: nobody gets one of these by chance before the test does. */
const PORTS = { from: 10_000, to: 30_000 }

/** A port of 127.0.0.1 on which nobody listens, for who has to know it before, or to come back to it. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise(resolve => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
