import { type Server } from 'node:net'
import { MillraceError, messageOf } from '../core/errors.js'

/**
 * @returns the port, which the system chose where `port` is 0
 * @throws PORT_TAKEN; OPTION_INVALID: the address is none of this machine, or may not be used
 */
export function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRINUSE' ? 'PORT_TAKEN' : 'OPTION_INVALID'
      reject(
        new MillraceError(code, `cannot listen on ${host}:${port}: ${messageOf(error)}`, { cause: error }),
      )
    })
    server.listen(port, host, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

export function isAny(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
