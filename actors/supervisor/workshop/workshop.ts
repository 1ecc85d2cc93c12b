import '../../session/telemetry-off.js'
import { Worker } from 'node:worker_threads'
import { MillraceError } from '../../../core/errors.js'
import { type Times, type TimesOrder } from '../../profiler/index.js'
import { type CutModel, type CutOrder, type Order, type WorkshopReply } from './messages.js'

/**
 * `measureTimes` in a thread of its own: none of that may delay a beat. The thread cannot be ended while a session runs,
 * so a stop waits for the end of the step under way.
 * @throws what `measureTimes` throws; TOO_MANY_PARTITIONS, STOPPED
 */
export async function measureModel(order: TimesOrder, signal: AbortSignal): Promise<Times> {
  const reply = await inThread({ type: 'measure', order }, async () => {}, signal)
  if (reply.type === 'measured') return reply.times
  throw new MillraceError('INTERNAL', `the workshop answered '${reply.type}'`)
}

/**
 * `cutParts` in a thread of its own, in the same way.
 * @param take  is awaited while the new parts are still held in the store by that thread
 * @throws MODEL_INVALID, MODEL_TRUNCATED, MODEL_UNSUPPORTED, GRAPH_INVALID, GRAPH_CUT_INVALID, VERIFY_FAILED, CACHE_FULL,
 *   DISK_FULL, STOPPED
 */
export async function cutModel(
  order: CutOrder,
  take: (model: CutModel) => Promise<void>,
  signal: AbortSignal,
): Promise<CutModel> {
  const taken = async (reply: WorkshopReply) => {
    if (reply.type === 'cut') await take(reply.model)
  }
  const reply = await inThread({ type: 'cut', order }, taken, signal)
  if (reply.type === 'cut') return reply.model
  throw new MillraceError('INTERNAL', `the workshop answered '${reply.type}'`)
}

type Done = Exclude<WorkshopReply, { type: 'failed' }>

function inThread(order: Order, take: (reply: Done) => Promise<void>, signal: AbortSignal): Promise<Done> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) throw stopped()
    // Without the program's own flags: some, such as --input-type, a thread does not take.
    const thread = new Worker(new URL('./workshop-thread.js', import.meta.url), {
      workerData: order,
      execArgv: [],
    })
    const stop = () => thread.postMessage('stop')
    signal.addEventListener('abort', stop, { once: true })
    const taken = async (reply: Done) => {
      try {
        await take(reply)
        return reply
      } finally {
        thread.postMessage('taken')
      }
    }
    thread.once('message', (reply: WorkshopReply) => {
      if (reply.type === 'failed') reject(MillraceError.fromInfo(reply.error))
      else resolve(taken(reply))
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
