import { connect } from 'node:net'
import { MillraceError } from '../core/errors.js'
import { describe } from './client.js'

/**
 * The address of this machine by which it reaches `url`, and by which others there can reach it.
 * @throws BROKER_UNREACHABLE; OPTION_INVALID: the URL is none
 */
export async function localAddressTowards(url: string, timeoutMs: number): Promise<string> {
  const where = describe(url)
  const { hostname, port, protocol } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port || DEFAULT_PORTS[protocol] || 1_883) })
    const fail = (reason: string) => {
      socket.destroy()
      reject(new MillraceError('BROKER_UNREACHABLE', `${where}: ${reason}`))
    }
    socket.setTimeout(timeoutMs, () => fail('no answer'))
    socket.once('error', error => fail(error.message))
    socket.once('connect', () => {
      const { localAddress = '127.0.0.1' } = socket
      socket.destroy()
      resolve(localAddress)
    })
  })
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  'mqtt:': 1_883,
  'mqtts:': 8_883,
  'ws:': 80,
  'wss:': 443,
}
