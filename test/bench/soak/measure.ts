import { setTimeout } from 'node:timers/promises'
import { lastValueFrom } from 'rxjs'
import { type Pipeline } from '../../../config/index.js'
import { Cleanup } from '../../../core/cleanup.js'
import { type Tensors } from '../../../core/tensor.js'
import { DIGITS_MODEL, digitsFrames } from '../../support/digits-frames.js'
import { residentBytes } from '../../support/memory.js'
import { processCluster } from '../../support/process-cluster.js'
import { type Sample, slopeOf } from './slope.js'

const WORKERS = ['w1', 'w2', 'w3', 'w4']
const SAMPLE_MS = 1_000
/** Heaps and caches have their size after this share of the time, in which frames come so many times as fast: V8 lets one grow first. */
const WARM = { share: 0.25, times: 5 }
/** What could not be offered in time is made up for, so much of it at most. */
const BEHIND_MS = 1_000
const STOP_LIMIT_MS = 60_000
const DEADLINE_MS = 30_000
const DIFFERENT_FRAMES = 64

export interface ProcessMemory {
  readonly process: string
  readonly firstMb: number
  readonly lastMb: number
  /** After the warm-up; NaN where it ended. */
  readonly mbPerMinute: number
  readonly samples: number
}

export interface Soaked {
  readonly seconds: number
  readonly fps: number
  readonly frames: {
    readonly admitted: number
    readonly predicted: number
    readonly lost: number
    readonly failed: number
    /** Results of frames that had been sent again: on a busy machine there are some. */
    readonly duplicates: number
  }
  readonly memory: readonly ProcessMemory[]
}

/**
 * A paced stream through a chain of four processes, and the memory of all that take part.
 * @param fps  after the warm-up
 */
export async function soak(minutes: number, fps: number, signal: AbortSignal): Promise<Soaked> {
  const cleanup = new Cleanup(STOP_LIMIT_MS)
  try {
    const opened = await processCluster(WORKERS, act => cleanup.defer('stopping a part', act))
    const options = { name: 'soak', partitions: WORKERS.length, replicas: false }
    const pipeline = await opened.cluster.deploy(DIGITS_MODEL, options)
    const seen = new Map<string, Sample[]>()
    const processes = opened.processes()
    const ended = new AbortController()
    const sampling = sample(processes, seen, ended.signal)
    const startedAt = performance.now()
    await streamFor(pipeline, minutes, fps, signal)
    const seconds = (performance.now() - startedAt) / 1_000
    ended.abort()
    await sampling
    const { admitted, predicted, failed, duplicates } = pipeline.counts()
    const lost = admitted - predicted - failed
    return {
      ...{ seconds, fps: predicted / seconds },
      frames: { admitted, predicted, lost, failed, duplicates },
      memory: [...seen].map(([process, samples]) => memoryOf(process, samples, minutes)),
    }
  } finally {
    for (const failure of await cleanup.run()) console.error(failure.message)
  }
}

async function streamFor(pipeline: Pipeline, minutes: number, fps: number, signal: AbortSignal) {
  const frames = digitsFrames(DIFFERENT_FRAMES)
  const startedAt = performance.now()
  const passed = () => (performance.now() - startedAt) / 60_000 / minutes
  async function* paced(): AsyncGenerator<Tensors> {
    let due = startedAt
    for (let i = 0; passed() < 1 && !signal.aborted; i++) {
      yield frames[i % frames.length] ?? {}
      const rate = passed() < WARM.share ? WARM.times * fps : fps
      due = Math.max(due, performance.now() - BEHIND_MS) + 1_000 / rate
      const early = due - performance.now()
      if (early > 0) await setTimeout(early)
    }
  }
  const flow = pipeline.pull(paced()).pipe(pipeline.infer({ stream: 'soak', deadlineMs: DEADLINE_MS }))
  await lastValueFrom(flow, { defaultValue: undefined })
}

/** Once a second, until it is ended. */
async function sample(
  processes: ReadonlyMap<string, number>,
  seen: Map<string, Sample[]>,
  ended: AbortSignal,
): Promise<void> {
  const startedAt = performance.now()
  while (!ended.aborted) {
    const at = (performance.now() - startedAt) / 60_000
    for (const [process, pid] of processes) {
      const bytes = residentBytes(pid)
      const samples = seen.get(process) ?? []
      if (bytes !== undefined) samples.push({ at, value: bytes / 1e6 })
      seen.set(process, samples)
    }
    await setTimeout(SAMPLE_MS, undefined, { signal: ended }).catch(() => undefined)
  }
}

function memoryOf(process: string, samples: readonly Sample[], minutes: number): ProcessMemory {
  const warm = samples.filter(({ at }) => at >= WARM.share * minutes)
  return {
    process,
    firstMb: samples[0]?.value ?? NaN,
    lastMb: samples.at(-1)?.value ?? NaN,
    mbPerMinute: warm.length < 2 ? NaN : slopeOf(warm),
    samples: samples.length,
  }
}
