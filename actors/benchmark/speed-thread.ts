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
/** Runs that are timed together: a few milliseconds, so that some of them are hardly disturbed on a busy machine. */
const BATCH = 4
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

async function timed(session: OnnxSession, { feeds, operations }: Work): Promise<Sample> {
  await run(session, feeds)
  const startedAt = performance.now()
  let [usedMs, leastMs] = [0, Infinity]
  while (performance.now() - startedAt < WINDOW_MS) {
    const ms = await coreMs(async () => {
      for (let i = 0; i < BATCH; i++) await run(session, feeds)
    })
    usedMs += ms
    leastMs = Math.min(leastMs, ms)
  }
  return {
    gflopsPerCore: (BATCH * operations) / leastMs / 1e6,
    share: usedMs / (performance.now() - startedAt),
  }
}

/** @throws STOPPED */
async function run(session: OnnxSession, feeds: Work['feeds']): Promise<void> {
  await session.run(feeds)
  await setImmediate()
  if (stopped) throw new MillraceError('STOPPED', 'the benchmark was stopped')
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
