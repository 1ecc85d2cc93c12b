import { setTimeout } from 'node:timers/promises'
import { firstValueFrom, Observable, skip } from 'rxjs'
import { type Pipeline } from '../../../config/index.js'
import { Cleanup } from '../../../core/cleanup.js'
import { tensor, type Tensors } from '../../../core/tensor.js'
import { Feed, pulledFrames } from '../../support/feed.js'
import { laborious } from '../../support/laborious.js'
import { memoryOf } from '../../support/memory.js'
import { type ProcessCluster, processCluster } from '../../support/process-cluster.js'

const WORKERS = ['w1', 'w2', 'w3']
const BLOCKS = 30
/**
 * After 5 and 25 blocks of 11 nodes: the stage in the middle is the bottleneck, and not the processor that all share; it takes many
 * times as long as a process may have to wait for its turn there.
 */
const CUTS = [55, 275]
const OFFERED = 2
const WARM_FRAMES = 200
const MEASURED_FRAMES = 400
/** Until windows have their size, and memory is what it will be. */
const SETTLE_MS = 5_000
const LIMIT_MS = 60_000

/** Ages are of predictions, from the admission of the frame, in ms; memory is in MB. */
export interface Measured {
  readonly stages: number
  /** Between two predictions of a stream that is pulled: the mean of before and after. */
  readonly bottleneckMs: number
  readonly boundMs: number
  readonly ageMs: { readonly p50: number; readonly p99: number; readonly most: number }
  /** Of the age at p99 to its bound. */
  readonly ratio: number
  readonly fps: { readonly offered: number; readonly capacity: number; readonly predicted: number }
  readonly frames: {
    readonly admitted: number
    readonly predicted: number
    readonly dropped: number
    readonly failed: number
    /** Admitted, and neither dropped nor delivered. */
    readonly mostUnderWay: number
  }
  /** Of drops. */
  readonly reasons: Readonly<Record<string, number>>
  readonly memory: readonly { readonly process: string; readonly before: number; readonly after: number }[]
}

export async function measure(seconds: number): Promise<Measured> {
  const cleanup = new Cleanup(LIMIT_MS)
  try {
    const opened = await processCluster(WORKERS, act => cleanup.defer('stopping a part', act))
    const options = { name: 'bench', cuts: CUTS, replicas: false }
    const pipeline = await opened.cluster.deploy(laborious(BLOCKS), options)
    const before = await capacityOf(pipeline)
    const offered = OFFERED * before
    const seen = await freshest(pipeline, opened, offered, seconds)
    const after = await capacityOf(pipeline)
    const { stages } = await firstValueFrom(pipeline.plan$)
    const bottleneckMs = (1_000 / before + 1_000 / after) / 2
    const boundMs = (stages.length + 2) * bottleneckMs
    const { ages, ...rest } = seen
    const ageMs = { p50: quantile(ages, 0.5), p99: quantile(ages, 0.99), most: quantile(ages, 1) }
    const fps = { offered, capacity: 1_000 / bottleneckMs, predicted: ages.length / seconds }
    return rounded({
      ...{ stages: stages.length, bottleneckMs, boundMs, ageMs, ratio: ageMs.p99 / boundMs, fps, ...rest },
    })
  } finally {
    for (const failure of await cleanup.run()) console.error(failure.message)
  }
}

/** Predictions a second of a stream that is pulled as fast as that goes. */
async function capacityOf(pipeline: Pipeline): Promise<number> {
  const feed = new Feed(pipeline, frameOf, next => pulledFrames(pipeline, next, LIMIT_MS))
  const more = (count: number) => firstValueFrom(pipeline.predictions$.pipe(skip(count - 1)))
  await more(WARM_FRAMES)
  const startedAt = performance.now()
  await more(MEASURED_FRAMES)
  const fps = (1_000 * MEASURED_FRAMES) / (performance.now() - startedAt)
  await feed.stop()
  return fps
}

async function freshest(pipeline: Pipeline, { processes }: ProcessCluster, fps: number, seconds: number) {
  const reasons: Record<string, number> = {}
  const ages: number[] = []
  const source = pushed(fps).pipe(pipeline.infer({ stream: 'fresh', delivery: 'freshest' }))
  const subscription = source.subscribe()
  await setTimeout(SETTLE_MS)
  const [memoryBefore, countsBefore] = [memoryOf(processes()), pipeline.counts()]
  let mostUnderWay = 0
  const watching = [
    pipeline.predictions$.subscribe(({ ageMs }) => ages.push(ageMs)),
    pipeline.frames$.subscribe(() => (mostUnderWay = Math.max(mostUnderWay, pipeline.counts().open))),
    pipeline.ledger$.subscribe(entry => {
      if (entry.end === 'dropped') reasons[entry.reason] = (reasons[entry.reason] ?? 0) + 1
    }),
  ]
  await setTimeout(1_000 * seconds)
  const [counts, memoryAfter] = [pipeline.counts(), memoryOf(processes())]
  for (const one of watching) one.unsubscribe()
  subscription.unsubscribe()
  const since = (key: 'predicted' | 'dropped' | 'failed' | 'admitted') => counts[key] - countsBefore[key]
  // Those that were open at the beginning have ended since, and those that are open now have not.
  const admitted = since('admitted') + countsBefore.open - counts.open
  const frames = { predicted: since('predicted'), dropped: since('dropped'), failed: since('failed') }
  const memory = [...memoryBefore].map(([process, before]) => {
    return { process, before, after: memoryAfter.get(process) ?? NaN }
  })
  return { ages, reasons, memory, frames: { admitted, ...frames, mostUnderWay } }
}

/** As a camera does it: what is due is pushed, whether it is wanted or not. */
function pushed(fps: number): Observable<Tensors> {
  return new Observable(subscriber => {
    const startedAt = performance.now()
    let made = 0
    const timer = setInterval(() => {
      const due = ((performance.now() - startedAt) * fps) / 1_000
      while (made < due) subscriber.next(frameOf(made++))
    }, 1)
    return () => clearInterval(timer)
  })
}

function frameOf(sequence: number): Tensors {
  return { x: tensor('float32', [1, 2], Float32Array.of((sequence % 5) / 4, 0.5)) }
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN
}

/** All its numbers with three digits after the point. */
function rounded<T>(value: T): T {
  return JSON.parse(
    JSON.stringify(value, (_, one: unknown) => (typeof one === 'number' ? Number(one.toFixed(3)) : one)),
  ) as T
}
