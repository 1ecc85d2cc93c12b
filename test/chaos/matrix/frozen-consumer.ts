import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { firstValueFrom, skip, timeout } from 'rxjs'
import { Checker, type Verdict } from '../../../actors/bin/chaos/checker.js'
import { type Pipeline } from '../../../config/index.js'
import { Cleanup } from '../../../core/cleanup.js'
import { type Tensor, tensor, type Tensors } from '../../../core/tensor.js'
import { answersOf } from '../../support/answers.js'
import { CliRun } from '../../support/cli.js'
import { Feed, pulledFrames } from '../../support/feed.js'
import { inCheckout } from '../../support/index.js'
import { largeContents, largeFrame, wideModel } from '../../support/large-frames.js'
import { memoryOf } from '../../support/memory.js'
import { floats, noise, node, onnxBytes, value } from '../../support/onnx-builder.js'
import { type ProcessCluster, processCluster } from '../../support/process-cluster.js'
import { SensorFeed } from '../../support/sensor-feed.js'
import { type Rate, rateOf } from './rate.js'

const SUBSCRIBER = inCheckout('dist/test/support/frozen-subscriber.js')
const WORKERS = ['w1', 'w2', 'w3', 'w4']
const LIMIT_MS = 60_000
const WARM_S = 10
const BEFORE_S = 15
const DISTINCT = 8
/** Of the sensor's frames and of what is predicted for them: 256 KiB. */
const SENSED_DIMS = [1, 16, 4_096]
const SMALL_DIMS = [1, 2]

export interface FrozenResult {
  /** In MB. */
  readonly memory: readonly { readonly process: string; readonly before: number; readonly during: number }[]
  /** Of the pipeline that has nothing to do with what is frozen. */
  readonly other: Rate
  /** Of the one whose predictions the frozen consumer subscribes to. */
  readonly consumed: Rate
  /** Of the one whose last stage is frozen. */
  readonly stage: Rate
  readonly frames: { readonly other: Verdict; readonly stage: Verdict }
  /** Answers to the sensor that were no predictions. */
  readonly mishaps: readonly string[]
  /** What was said of the pipeline whose stage is frozen. */
  readonly states: readonly string[]
}

/**
 * Three pipelines on one broker, each as fast as it goes: the last stage of one is stopped, and so is a process that
 * subscribes to the predictions of another; the third is what may not notice. As what is frozen leaves its share of the
 * processor to the others, they are measured once more without it.
 */
export async function runFrozenConsumer(minutes: number): Promise<FrozenResult> {
  const cleanup = new Cleanup(LIMIT_MS)
  try {
    return await observe(await open(cleanup, minutes), minutes)
  } finally {
    for (const failure of await cleanup.run()) console.error(failure.message)
  }
}

interface Scenery extends ProcessCluster {
  readonly stage: Pipeline
  readonly other: Pipeline
  readonly feeds: { readonly stage: Feed; readonly other: Feed; readonly sensor: SensorFeed }
  readonly checkers: { readonly stage: Checker; readonly other: Checker }
  readonly states: readonly string[]
  readonly consumer: ChildProcess
  /** Stops the consumer and the last stage, or has them go on. */
  readonly signal: (name: 'SIGSTOP' | 'SIGCONT') => void
}

async function open(cleanup: Cleanup, minutes: number): Promise<Scenery> {
  const opened = await processCluster(WORKERS, act => cleanup.defer('stopping a part', act))
  const { url, cluster, members } = opened
  const ingress = new CliRun(['ingress', '--broker', url, '--json'])
  cleanup.defer('stopping the ingress', () => ingress.stop())
  await ingress.firstLine()
  const stage = await cluster.deploy(wideModel(), { name: 'stage', partitions: 3, exclude: ['w4'] })
  const { stages } = await firstValueFrom(stage.plan$)
  const frozen = stages.at(-1)?.worker ?? ''
  const exclude = WORKERS.filter(id => id !== 'w4')
  await cluster.deploy(halver(SENSED_DIMS), { name: 'consumed', partitions: 1, exclude, sensorRaw: 'always' })
  const other = await cluster.deploy(halver(SMALL_DIMS), {
    name: 'other',
    partitions: 1,
    exclude: [frozen, 'w4'],
  })
  const states: string[] = []
  stage.status$.subscribe(({ state, epoch }) => states.push(`${state} ${epoch}`))
  const port = Number(new URL(url).port)
  const consumer = fork(SUBSCRIBER, [String(port), cluster.topics.sensor.raw('consumed', 'camera')])
  cleanup.defer('ending the consumer', async () => consumer.kill('SIGKILL'))
  await once(consumer, 'message')
  const fed = await feed(stage, other, minutes)
  const sensor = await SensorFeed.start(port, ['consumed', 'camera'], sensedFrame)
  const signal = (name: 'SIGSTOP' | 'SIGCONT') => {
    members.signalRuntime(frozen, name)
    consumer.kill(name)
  }
  const processes = () =>
    new Map([...opened.processes(), ...ingress.descendants('').map(pid => ['ingress', pid] as const)])
  const feeds = { ...fed.feeds, sensor }
  return { ...opened, processes, stage, other, feeds, checkers: fed.checkers, states, consumer, signal }
}

async function feed(stage: Pipeline, other: Pipeline, minutes: number) {
  const contents = largeContents(DISTINCT)
  const frames = contents.map(content => largeFrame(content))
  const answers = await answersOf(wideModel(), frames)
  const checkers = {
    stage: new Checker(stage, sequence => answers[sequence % DISTINCT] ?? {}),
    other: new Checker(other, sequence => ({ y: small(sequence, 0.5) })),
  }
  const deadlineMs = minutes * 60_000 + 2 * LIMIT_MS
  const large = (sequence: number) => largeFrame(contents[sequence % DISTINCT] ?? new Float32Array())
  const few = (sequence: number): Tensors => ({ x: small(sequence, 1) })
  const feeds = {
    stage: new Feed(stage, large, next => pulledFrames(stage, next, deadlineMs)),
    other: new Feed(other, few, next => pulledFrames(other, next, deadlineMs)),
  }
  return { checkers, feeds }
}

async function observe(scenery: Scenery, minutes: number): Promise<FrozenResult> {
  const { stage, other, feeds, checkers, states, processes, signal } = scenery
  const counts = () => [other.counts().predicted, feeds.sensor.answered, stage.counts().predicted]
  await perSecond(WARM_S, counts)
  const before = await perSecond(BEFORE_S, counts)
  const memoryBefore = memoryOf(processes())
  signal('SIGSTOP')
  const during = await perSecond(minutes * 60, counts)
  const memoryDuring = memoryOf(processes())
  signal('SIGCONT')
  await firstValueFrom(stage.predictions$.pipe(skip(DISTINCT), timeout(LIMIT_MS)))
  await feeds.stage.stop()
  scenery.consumer.kill('SIGKILL')
  const without = await perSecond(BEFORE_S, counts)
  await Promise.all([feeds.other.stop(), feeds.sensor.stop()])
  const rate = (index: number) => rateOf(before[index] ?? [], during[index] ?? [], without[index] ?? [])
  return {
    memory: [...memoryBefore].map(([process, mib]) => {
      return { process, before: megabytes(mib), during: megabytes(memoryDuring.get(process) ?? NaN) }
    }),
    ...{ other: rate(0), consumed: rate(1), stage: rate(2) },
    frames: { other: checkers.other.verdict(), stage: checkers.stage.verdict() },
    mishaps: feeds.sensor.mishaps,
    states,
  }
}

/** For so long, by how much counters grow in each second. */
async function perSecond(seconds: number, counts: () => number[]): Promise<number[][]> {
  const rates = counts().map((): number[] => [])
  for (let passed = 0; passed < Math.round(seconds); passed++) {
    const [from, startedAt] = [counts(), performance.now()]
    await setTimeout(1_000)
    const scale = 1_000 / (performance.now() - startedAt)
    for (const [i, count] of counts().entries()) rates[i]?.push(scale * (count - (from[i] ?? 0)))
  }
  return rates
}

/** `y` = `x` times a half. */
function halver(dims: readonly number[]): Uint8Array {
  return onnxBytes({
    inputs: [value('x', 'FLOAT', dims)],
    outputs: [value('y', 'FLOAT', dims)],
    nodes: [node('Mul', ['x', 'factor'], ['y'])],
    initializers: [floats('factor', [1], [0.5])],
  })
}

function small(sequence: number, factor: number): Tensor {
  return tensor('float32', SMALL_DIMS, Float32Array.of(factor * (sequence % DISTINCT), factor))
}

const sensed = new Uint8Array(
  noise(
    'sensed',
    SENSED_DIMS.reduce((all, dim) => all * dim),
  ).buffer,
)

function sensedFrame(): Uint8Array {
  return sensed
}

function megabytes(mib: number): number {
  return Number(((mib * 2 ** 20) / 1e6).toFixed(1))
}
