import { z } from 'zod'
import { ingressOptions } from '../actors/ingress/index.js'
import { storeOptions } from '../actors/model-store/index.js'
import { supervisorOptions } from '../actors/supervisor/index.js'
import { workerOptions } from '../actors/worker/index.js'
import { startBroker } from '../broker/index.js'
import { Cleanup } from '../core/cleanup.js'
import { type MillraceError } from '../core/errors.js'
import { defineOptions, type OptionsInput, parseOptions } from '../core/options.js'
import { topicsOf } from '../core/topics.js'
import { type Cluster } from './cluster.js'
import { connectOptions } from './connect-options.js'
import { openCluster, type OpenBus, withLargeFrames } from './connect.js'
import { type Host, startIngress, startSupervisor, startWorker } from './hosts.js'

export const embeddedOptions = defineOptions({
  workers: {
    check: z.coerce.number().int().min(1).max(1_000),
    default: 4,
    value: 'N',
    doc: 'Number of workers.',
  },
  host: {
    check: z.string(),
    default: '127.0.0.1',
    value: 'ADDRESS',
    doc: 'Address that the broker listens on.',
  },
  port: {
    check: z.coerce.number().int().min(0).max(65_535),
    default: 0,
    value: 'PORT',
    doc: 'Port that the broker listens on; 0 for a free one.',
  },
  ingress: {
    check: z.boolean(),
    default: false,
    doc: 'Whether sensors may take part with an MQTT client of their own.',
  },
  cacheLimitMib: storeOptions.cacheLimitMib,
})

export type EmbeddedOptionsInput = OptionsInput<typeof embeddedOptions>

/**
 * Starts a whole cluster in this process (broker, supervisor, workers; each session in a thread of its own) and connects
 * to it; `close` stops it all. Made for trying, tests and one machine: a crash of this process is a crash of everything,
 * and `millrace up` gives each part a process instead.
 * @throws PORT_TAKEN, OPTION_UNKNOWN, OPTION_INVALID
 */
export async function embedded(options: EmbeddedOptionsInput = {}): Promise<Cluster> {
  const { workers, host, port, ingress, cacheLimitMib } = parseOptions(embeddedOptions, options, 'embedded')
  const cleanup = new Cleanup()
  try {
    const broker = await startBroker({ host, port })
    cleanup.defer('closing the broker', () => broker.close())
    const open: OpenBus = wish => broker.connect(withLargeFrames(wish))
    const defaults = parseOptions(connectOptions, {}, 'embedded')
    const at = (id: string): Host => ({
      id,
      open,
      topics: topicsOf(defaults.root),
      cacheLimitMib,
      sendTimeoutMs: defaults.sendTimeoutMs,
      onTrouble: warn,
    })
    await startSupervisor(at('supervisor'), parseOptions(supervisorOptions, {}, 'embedded'), cleanup)
    // All of them run here: what each can do is all the same.
    const each = parseOptions(workerOptions, { benchmark: false }, 'embedded')
    await Promise.all(Array.from({ length: workers }, (_, i) => startWorker(at(`w${i + 1}`), each, cleanup)))
    if (ingress) await startIngress(at('ingress'), parseOptions(ingressOptions, {}, 'embedded'), cleanup)
    return await openCluster(open, defaults, cleanup)
  } catch (error) {
    await cleanup.run()
    throw error
  }
}

function warn(error: MillraceError): void {
  process.emitWarning(error.message, { type: 'MillraceWarning', code: error.code })
}
