import { parentPort, workerData } from 'node:worker_threads'
import { MillraceError } from '../../../core/errors.js'
import { PartStore } from '../../model-store/index.js'
import { measureTimes } from '../../profiler/index.js'
import { cutParts } from './cut-parts.js'
import { type CutOrder, type Order, type WorkshopReply } from './messages.js'

/**
 * The thread behind `measureModel` and `cutModel`: one order, one reply. Any message before the reply means: stop at the
 * next step. The parts stay held until a message after it.
 */
const given = workerData as Order
let stopped = false
let replied = false
let release: () => void = () => {}
const released = new Promise<void>(resolve => {
  release = resolve
})
parentPort?.on('message', () => {
  stopped = true
  if (replied) release()
})

/** Between two steps, lets a stop arrive. */
async function checkpoint(): Promise<void> {
  await new Promise(resolve => setImmediate(resolve))
  if (stopped) throw new MillraceError('STOPPED', 'the preparation of the model was stopped')
}

try {
  if (given.type === 'cut') await cut(given.order)
  else reply({ type: 'measured', times: await measureTimes(given.order, checkpoint) })
} catch (error) {
  reply({ type: 'failed', error: MillraceError.from(error).toInfo() })
}
parentPort?.close()

async function cut(order: CutOrder): Promise<void> {
  const store = await PartStore.open(order.directory, order.limitBytes)
  try {
    reply({ type: 'cut', model: await cutParts(order, store, checkpoint) })
    await released
  } finally {
    await store.close()
  }
}

function reply(message: WorkshopReply): void {
  replied = true
  parentPort?.postMessage(message)
}
