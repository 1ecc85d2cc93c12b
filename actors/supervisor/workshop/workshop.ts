import '../../session/telemetry-off.js'
import { Worker } from 'node:worker_threads'
import { MillraceError } from '../../../core/errors.js'
import { type Order, type PreparedModel, type WorkshopReply } from './messages.js'

/**
 * Reads, measures, plans, cuts and checks a model, in a thread of its own: none of that may delay a beat. The thread
 * cannot be ended while a session runs, so a stop waits for the end of the step under way.
 * @param take  is awaited while the new parts are still held in the store by that thread
 * @throws MODEL_INVALID, MODEL_TRUNCATED, MODEL_UNSUPPORTED, GRAPH_INVALID, TOO_MANY_PARTITIONS, VERIFY_FAILED,
 *   CACHE_FULL, DISK_FULL, STOPPED
 */
export function prepareModel(
  order: Order,
  take: (model: PreparedModel) => Promise<void>,
  signal: AbortSignal,
): Promise<PreparedModel> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) throw stopped()
    // Without the program's own flags: some, such as --input-type, a thread does not take.
    const thread = new Worker(new URL('./workshop-thread.js', import.meta.url), {
      workerData: order,
      execArgv: [],
    })
    const stop = () => thread.postMessage('stop')
    signal.addEventListener('abort', stop, { once: true })
    const taken = async (model: PreparedModel) => {
      try {
        await take(model)
        return model
      } finally {
        thread.postMessage('taken')
      }
    }
    thread.once('message', (reply: WorkshopReply) => {
      if (reply.type === 'prepared') resolve(taken(reply.model))
      else reject(MillraceError.fromInfo(reply.error))
    })
    thread.once('error', error => reject(MillraceError.from(error)))
    thread.once('exit', () => {
      signal.removeEventListener('abort', stop)
      reject(stopped())
    })
  })
}

function stopped(): MillraceError {
  return new MillraceError('STOPPED', 'the preparation of the model was stopped')
}
