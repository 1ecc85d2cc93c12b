import '../session/telemetry-off.js'
import { Worker } from 'node:worker_threads'
import { type Speed } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { cpuQuota } from '../machine/index.js'
import { type SpeedOrder, type SpeedReply } from './messages.js'

export interface MeasuredSpeed {
  readonly speed: Speed
  /** Whether it would come out about the same another time, whatever else the machine does then. */
  readonly lasting: boolean
}

/** With so much of a core, what else the machine did hardly shows in the figure. */
const LASTING_SHARE = 0.75

/**
 * Runs a convolution and a matrix product, in a thread of its own, for about half a second; up to a second and a half
 * where others have the processor too, whose turns do not count. A quota of the control group does; where that cannot be
 * seen, what the thread gets of a core.
 * @throws STOPPED; RUNTIME_CRASHED: the thread ended; MODEL_UNSUPPORTED, INFERENCE_FAILED: ONNX Runtime does not work here
 */
export async function runBenchmark(signal?: AbortSignal): Promise<MeasuredSpeed> {
  const quota = cpuQuota()
  const allowed = Math.min(1, quota ?? 1)
  const reply = await inThread({ share: allowed }, signal)
  if (reply.type === 'failed') throw MillraceError.fromInfo(reply.error)
  const { conv, matmul } = reply
  const share = quota === undefined ? Math.max(conv.share, matmul.share) : allowed
  return {
    speed: { convGflops: conv.gflopsPerCore * share, matmulGflops: matmul.gflopsPerCore * share },
    lasting: quota !== undefined || share >= LASTING_SHARE,
  }
}

/** Never terminated: that would abort the whole process during a run. */
function inThread(order: SpeedOrder, signal?: AbortSignal): Promise<SpeedReply> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) throw new MillraceError('STOPPED', 'the benchmark was stopped')
    // Without the program's own flags: some, such as --input-type, a thread does not take.
    const thread = new Worker(new URL('./speed-thread.js', import.meta.url), {
      workerData: order,
      execArgv: [],
    })
    const stop = () => thread.postMessage('stop')
    signal?.addEventListener('abort', stop, { once: true })
    let reply: SpeedReply | undefined
    thread.once('message', (message: SpeedReply) => (reply = message))
    thread.once('error', error => reject(MillraceError.from(error, 'RUNTIME_CRASHED')))
    thread.once('exit', code => {
      signal?.removeEventListener('abort', stop)
      if (reply !== undefined) resolve(reply)
      else reject(new MillraceError('RUNTIME_CRASHED', `the benchmark's thread ended with ${code}`))
    })
  })
}
