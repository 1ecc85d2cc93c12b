import { readFile } from 'node:fs/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { MillraceError } from '../../../core/errors.js'
import { type Order, type WorkshopReply } from './messages.js'
import { prepare } from './prepare.js'

/** The thread behind `prepareModel`: one order, one reply, and it ends. Any message means: stop at the next step. */
const order = workerData as Order
let stopped = false
parentPort?.on('message', () => {
  stopped = true
})

/** Between two steps, lets a stop arrive. */
async function checkpoint(): Promise<void> {
  await new Promise(resolve => setImmediate(resolve))
  if (stopped) throw new MillraceError('STOPPED', 'the preparation of the model was stopped')
}

try {
  const bytes = await readFile(order.model)
  reply({ type: 'prepared', model: await prepare(bytes, order, checkpoint) })
} catch (error) {
  reply({ type: 'failed', error: MillraceError.from(error).toInfo() })
}
parentPort?.close()

function reply(message: WorkshopReply): void {
  parentPort?.postMessage(message)
}
