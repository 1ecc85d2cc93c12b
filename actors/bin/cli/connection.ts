import { z } from 'zod'
import { connectOptions, type ConnectOptions } from '../../../config/connect-options.js'
import { busOpener, type OpenBus } from '../../../config/connect.js'
import { type Host } from '../../../config/hosts.js'
import { defineOptions, type Options, pickOptions } from '../../../core/options.js'
import { topicsOf } from '../../../core/topics.js'
import { storeOptions } from '../../model-store/index.js'
import { type Session } from './session.js'

export const DEFAULT_BROKER = 'mqtt://127.0.0.1:1883'

/** The options of every command that talks to a broker. */
export const brokerConnection = defineOptions({
  broker: {
    check: z.string().min(1),
    default: DEFAULT_BROKER,
    value: 'URL',
    doc: "URL of the cluster's broker.",
  },
  ...connectOptions,
})

export const hostOptions = defineOptions({
  id: {
    check: z.string().regex(/^[a-z0-9-]{1,64}$/, 'must be 1 to 64 characters of a-z, 0-9 and -'),
    value: 'NAME',
    doc: 'Its name in the cluster; left out, made of the host name.',
  },
  ...storeOptions,
})

/** The password may be given in the environment, where other users of the machine do not see it. */
export function connectionOf(options: Options<typeof brokerConnection>): ConnectOptions {
  const password = options.password ?? process.env['MILLRACE_PASSWORD']
  return pickOptions(connectOptions, { ...options, password })
}

export function openerOf(options: Options<typeof brokerConnection>): OpenBus {
  return busOpener(options.broker, connectionOf(options))
}

export function hostOf(
  id: string,
  options: Options<typeof brokerConnection> & Partial<Options<typeof storeOptions>>,
  session: Session,
): Host {
  return {
    id,
    open: openerOf(options),
    topics: topicsOf(options.root),
    cacheDir: options.cacheDir,
    ...(options.cacheLimitMib === undefined ? {} : { cacheLimitMib: options.cacheLimitMib }),
    sendTimeoutMs: options.sendTimeoutMs,
    onTrouble: session.warn,
  }
}
