import { setImmediate } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { MillraceError } from '../../core/errors.js'
import { coreMs } from '../profiler/index.js'
import { type OnnxSession, openSession } from '../session/index.js'
import { type Sample, type SpeedOrder, type SpeedReply } from './messages.js'
import { convolution, matrixProduct, type Work } from './works.js'

/** Many of the periods, of 10 ms mostly, in which a quota of the processor is handed out. */
const WINDOW_MS = 150
const MOST_WINDOWS = 3
/** No window begins later. */
const LATEST_MS = 900
/** With so much of its share, a window was hardly disturbed. */
const UNDISTURBED = 0.9

/** The thread that measures once, and ends. A message to it makes it end between two runs. */
const { share } = workerData as SpeedOrder
let stopped = false
parentPort?.once('message', () => (stopped = true))

try {
  reply({ type: 'measured', ...(await measure()) })
} catch (error) {
  reply({ type: 'failed', error: MillraceError.from(error).toInfo() })
}
parentPort?.close()

async function measure(): Promise<{ conv: Sample; matmul: Sample }> {
  const startedAt = performance.now()
  const works = [convolution(), matrixProduct()] as const
  const samples: Sample[][] = [[], []]
  const sessions = await Promise.all(works.map(({ model }) => openSession(model)))
  for (let window = 0; window < MOST_WINDOWS; window++) {
    for (const [i, session] of sessions.entries())
      samples[i]?.push(await timed(session, works[i] ?? works[0]))
    const disturbed = samples.some(all => best(all).share < UNDISTURBED * share)
    if (!disturbed || performance.now() - startedAt > LATEST_MS) break
  }
  await Promise.all(sessions.map(session => session.release()))
  return { conv: best(samples[0] ?? []), matmul: best(samples[1] ?? []) }
}

/** @throws STOPPED */
async function timed(session: OnnxSession, { feeds, operations }: Work): Promise<Sample> {
  await session.run(feeds)
  const startedAt = performance.now()
  let [runs, usedMs, leastMs, wallMs] = [0, 0, Infinity, 0]
  for (; wallMs < WINDOW_MS; runs++) {
    const ms = await coreMs(() => session.run(feeds))
    usedMs += ms
    leastMs = Math.min(leastMs, ms)
    await setImmediate()
    if (stopped) throw new MillraceError('STOPPED', 'the benchmark was stopped')
    wallMs = performance.now() - startedAt
  }
  // Some systems count processor time in steps that are longer than a run.
  const ms = leastMs > 0 ? leastMs : usedMs / runs || wallMs / runs
  return { gflopsPerCore: operations / ms / 1e6, share: Math.min(1, usedMs / wallMs) }
}

/** What disturbs makes it slower, never faster. */
function best(samples: readonly Sample[]): Sample {
  return {
    gflopsPerCore: Math.max(...samples.map(sample => sample.gflopsPerCore)),
    share: Math.max(...samples.map(sample => sample.share)),
  }
}

function reply(message: SpeedReply): void {
  parentPort?.postMessage(message)
}
