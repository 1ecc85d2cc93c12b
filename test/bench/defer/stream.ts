import { lastValueFrom, map, tap } from 'rxjs'
import { type Pipeline } from '../../../config/index.js'
import { quantile } from '../../../core/costs/index.js'
import { type Tensors } from '../../../core/tensor.js'
import { type RunFigures } from './order.js'

export interface StreamWish {
  readonly stream: string
  /** The frame of a number from 0 on. */
  readonly frame: (index: number) => Tensors
  readonly answered: (index: number, outputs: Tensors) => void
  /** What comes before those that are counted: predictions, until every stage has its frames; seconds, until code is compiled. */
  readonly warm: { readonly frames: number; readonly seconds: number }
  readonly frames: number
  readonly seconds: number
  /** As `processorTimes` gives it. */
  readonly times: () => Promise<Readonly<Record<string, number>>>
}

const DEADLINE_MS = 120_000

/**
 * Pulls frames through a pipeline. They go on coming until the last that counts is predicted, so that the pipeline is as full at
 * the end as it was at the beginning.
 * @throws where a frame was not predicted
 */
export async function measureStream(pipeline: Pipeline, wish: StreamWish): Promise<RunFigures> {
  const { warm } = wish
  const ages: number[] = []
  const beganAt = performance.now()
  let [seen, bytes, startedAt, endedAt] = [0, 0, 0, 0]
  let before: ReturnType<StreamWish['times']> | undefined
  let after: ReturnType<StreamWish['times']> | undefined
  function* indices() {
    for (let index = 0; after === undefined; index++) yield index
  }
  const flow = pipeline.pull(indices()).pipe(
    map(wish.frame),
    pipeline.infer({ stream: wish.stream, deadlineMs: DEADLINE_MS, failures: 'throw' }),
    tap(({ sequence, outputs, ageMs, bytes: own }) => {
      const now = performance.now()
      wish.answered(sequence, outputs)
      const isWarm = seen++ >= warm.frames && now - beganAt >= 1_000 * warm.seconds
      if (!isWarm || after !== undefined) return
      if (before === undefined) {
        before = wish.times()
        startedAt = now
        return
      }
      ages.push(ageMs)
      bytes += own
      const enough = ages.length >= wish.frames || now - startedAt >= 1_000 * wish.seconds
      if (!enough) return
      endedAt = now
      after = wish.times()
    }),
  )
  await lastValueFrom(flow, { defaultValue: undefined })
  const [was, is] = [await before, await after]
  if (was === undefined || is === undefined) throw new Error('the stream ended before it was measured')
  const cpu = Object.entries(is).map(([id, ms]) => [id, (ms - (was[id] ?? 0)) / ages.length] as const)
  return {
    fps: (1_000 * ages.length) / (endedAt - startedAt),
    frames: ages.length,
    latencyMs: { p50: quantile(ages, 0.5), p99: quantile(ages, 0.99) },
    bytesPerFrame: Math.round(bytes / ages.length),
    cpuMsPerFrame: Object.fromEntries(cpu),
  }
}
