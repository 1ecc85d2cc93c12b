import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { firstValueFrom } from 'rxjs'
import { type Cluster, type Pipeline, type Plan } from '../../../config/index.js'
import { MOST_CALIBRATION_FRAMES } from '../../../core/calibration.js'
import { Cleanup } from '../../../core/cleanup.js'
import { MillraceError } from '../../../core/errors.js'
import { syntheticFrame } from '../../../core/synthetic/index.js'
import { type Tensors } from '../../../core/tensor.js'
import { openCluster, say } from '../hub-cluster.js'
import { AccuracyTally } from './accuracy.js'
import { readAnswers, readFrames } from './answers.js'
import { type Measured, type Order, type Refusal, type RunFigures, type Scheme } from './order.js'
import { processorTimes } from './processor.js'
import { measureStream } from './stream.js'

/**
 * Runs on the dispatcher's device of an emulated cluster, as `millrace emulate` starts it: `on-hub.js ORDER RESULT`. Starts a
 * broker and a supervisor here and a worker on each other device, deploys every scheme beside the others, and streams frames
 * through one after the other, in as many rounds as there are to be runs.
 */
const CLOSE_LIMIT_MS = 20_000
/** Devices fetch what they may need, and are quiet when they have it. */
const QUIET_CORES = 0.02
const LOOK_MS = 2_000
const QUIET_LIMIT_MS = 90_000
/** Beyond what is under way at once. */
const WARM_FRAMES = 4
/** On a tenth of a core, what runs often is compiled after so long, */
const FIRST_WARM_SECONDS = 75
/** and after a while without frames all is as it was. */
const WARM_SECONDS = 8
/** Of frames. */
const OTHER_SEED = 2

interface Deployed {
  readonly scheme: Scheme
  readonly pipeline: Pipeline
  readonly accuracy: AccuracyTally
  readonly first: Pick<Plan, 'epoch' | 'predicted'>
  readonly runs: RunFigures[]
  /** Of the next frame. */
  next: number
}

type Times = Awaited<ReturnType<typeof processorTimes>>

const [orderFile = '', resultFile = ''] = process.argv.slice(2)
const order = JSON.parse(readFileSync(orderFile, 'utf8')) as Order
const frames = readFrames(order)
const answers = readAnswers(order)
const cleanup = new Cleanup(CLOSE_LIMIT_MS)
process.once('SIGTERM', () => void cleanup.run().then(() => process.exit(143)))
try {
  writeFileSync(resultFile, JSON.stringify(await measure()))
} finally {
  for (const failure of await cleanup.run()) console.error(failure.message)
}

async function measure(): Promise<Measured> {
  const times = await processorTimes()
  const cluster = await openCluster(cleanup, say)
  const deployed: (Deployed | Refusal)[] = []
  for (const scheme of order.schemes) deployed.push(await deploy(cluster, scheme))
  const idleCores = await whenQuiet(times)
  const ready = deployed.filter(one => 'pipeline' in one)
  for (let run = 0; run < order.runs; run++) {
    for (const one of ready) await stream(one, run, times)
  }
  return { idleCores, schemes: await Promise.all(deployed.map(figuresOf)) }
}

async function deploy(cluster: Cluster, scheme: Scheme): Promise<Deployed | Refusal> {
  const { key, options } = scheme
  try {
    const pipeline = await cluster.deploy(order.model, {
      ...{ deployTimeoutMs: order.deployLimitMs, name: key },
      ...options,
      ...(options.wire === 'auto' ? { calibration: otherFrames() } : {}),
    })
    const { epoch, predicted } = await firstValueFrom(pipeline.plan$)
    say(`${key} is deployed, ${predicted?.fps.toFixed(2)} fps`)
    pipeline.plan$.subscribe(plan => {
      if (plan.epoch !== epoch)
        say(`${key} has plan ${plan.epoch}: ${plan.reason ?? 'for no reason that is known'}`)
    })
    const accuracy = new AccuracyTally(answers)
    return { scheme, pipeline, accuracy, first: { epoch, predicted }, runs: [], next: 0 }
  } catch (error) {
    const { code, message } = MillraceError.from(error)
    if (code !== 'PLAN_INFEASIBLE' && code !== 'TOO_MANY_PARTITIONS') throw error
    return { key, refused: message }
  }
}

/** To choose wires by: none of those that answers are judged by. */
function otherFrames(): Tensors[] {
  const { name, dims } = order.input
  const spec = { name, dtype: 'uint8' as const, dims: [...dims] }
  return Array.from({ length: MOST_CALIBRATION_FRAMES }, (_, i) => syntheticFrame([spec], OTHER_SEED, i))
}

/** @returns the share of a core that a device takes with nothing to do, in the mean */
async function whenQuiet(times: Times): Promise<number> {
  const deadline = performance.now() + QUIET_LIMIT_MS
  for (;;) {
    const [before, startedAt] = [await times(), performance.now()]
    await setTimeout(LOOK_MS)
    const [after, endedAt] = [await times(), performance.now()]
    const cores = order.devices.map(id => ((after[id] ?? NaN) - (before[id] ?? NaN)) / (endedAt - startedAt))
    const mean = cores.reduce((sum, share) => sum + share, 0) / cores.length
    if (Math.max(...cores) < QUIET_CORES || endedAt > deadline) return mean
  }
}

async function stream(one: Deployed, run: number, times: Times): Promise<void> {
  const { pipeline, accuracy, runs, next, scheme } = one
  const { window } = await firstValueFrom(pipeline.plan$)
  const at = (index: number) => (next + index) % order.count
  const figures = await measureStream(pipeline, {
    stream: `run-${run}`,
    frame: index => frames[at(index)] ?? {},
    answered: (index, outputs) => {
      one.next = Math.max(one.next, next + index + 1)
      accuracy.take(at(index), outputs)
    },
    warm: { frames: window + WARM_FRAMES, seconds: run === 0 ? FIRST_WARM_SECONDS : WARM_SECONDS },
    frames: order.framesOfRun,
    seconds: order.secondsOfRun,
    times,
  })
  say(`${scheme.key}, run ${run + 1}: ${figures.fps.toFixed(2)} fps`)
  runs.push(figures)
}

async function figuresOf(one: Deployed | Refusal): Promise<Measured['schemes'][number]> {
  if ('refused' in one) return one
  const { scheme, pipeline, accuracy, first, runs } = one
  const { predicted, stages, epoch } = await firstValueFrom(pipeline.plan$)
  return {
    ...{ key: scheme.key, predicted, runs, epochs: [first.epoch, epoch] },
    deployed: first.predicted,
    stages: stages.map(({ stage, worker, weightBytes, computeMs }) => ({
      ...{ stage, worker, weightBytes, computeMs },
    })),
    accuracy: accuracy.result(),
  }
}
