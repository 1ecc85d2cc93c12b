import { MillraceError } from './errors.js'

/** What every form of a bus says once it was closed. */
export function busClosed(clientId: string): MillraceError {
  return new MillraceError('BUS_CLOSED', `bus '${clientId}' was closed`)
}

/** What every form of a bus says while its broker is away. */
export function busDisconnected(clientId: string): MillraceError {
  return new MillraceError('BUS_DISCONNECTED', `bus '${clientId}' has no connection to its broker`)
}
