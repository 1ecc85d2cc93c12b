import { readFile } from 'node:fs/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { MillraceError } from '../../../core/errors.js'
import { PartStore } from '../../model-store/index.js'
import { type Order, type WorkshopReply } from './messages.js'
import { prepare } from './prepare.js'

/**
 * The thread behind `prepareModel`: one order, one reply. Any message before the reply means: stop at the next step. The
 * parts stay held until a message after it.
 */
const order = workerData as Order
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
  const store = await PartStore.open(order.directory, order.limitBytes)
  try {
    const bytes = await readFile(order.model)
    reply({ type: 'prepared', model: await prepare(bytes, order, store, checkpoint) })
    await released
  } finally {
    await store.close()
  }
} catch (error) {
  reply({ type: 'failed', error: MillraceError.from(error).toInfo() })
}
parentPort?.close()

function reply(message: WorkshopReply): void {
  replied = true
  parentPort?.postMessage(message)
}
