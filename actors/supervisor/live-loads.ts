import { activationKeyOf, type Beat, type Plan } from '../../core/control/index.js'

/** How long a worker is busy with each frame that it takes. */
export interface ShownLoad {
  readonly ms: number
  /** With all that frames take there, or with inference alone. */
  readonly of: 'all' | 'runs'
}

/** Frames are looked at over so long, and so many at least. */
const SPAN_MS = 10_000
const SPAN_FRAMES = 20
/** Spans that have to say the same, by what part they may differ, and how old they may be. The first of all never counts. */
const SPANS = 2
const ALIKE = 0.1
const FRESH_MS = 15_000
/** Somebody has to be busy for so much of the time: what idle workers take for a frame says little of what it has to take. */
const FULL = 0.8
/** Below, times are those of the way, not of the work. */
const LEAST_MS = 2

interface Reading {
  readonly at: number
  readonly cpuMs: number
  readonly frames: number
  readonly runMs: number
}

interface Span extends ShownLoad {
  /** Of the time. */
  readonly busy: number
  readonly endedAt: number
}

interface Track {
  /** Of the only actor of the worker that has frames. */
  readonly key: string
  /** Since when spans count; what comes first is slower. */
  readonly spans: readonly Span[] | undefined
  readonly start: Reading
}

/**
 * What a frame takes of workers in a pipeline that is as busy as it can be, as beats tell. Where a quota holds a worker's
 * processor time down, that time says it: by the clock a run takes as long as the quota happens to let it. Elsewhere what
 * runs of the model take says it.
 */
export class LiveLoads {
  private readonly tracks = new Map<string, Track>()
  /** Frames that actors had run when they were last heard of, by worker. */
  private readonly counts = new Map<string, ReadonlyMap<string, number>>()

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** @param quota  of a core, that the worker may use; left out: it may use whole ones */
  beaten({ worker, at, countedAt = at, cpuMs, actors }: Beat, quota?: number): void {
    const before = this.counts.get(worker)
    const counts = new Map(actors.map(actor => [activationKeyOf(actor), actor.frames]))
    this.counts.set(worker, counts)
    const active = actors.filter(one => one.frames > (before?.get(activationKeyOf(one)) ?? one.frames))
    const [actor] = active
    if (actor === undefined) return
    const track = this.tracks.get(worker)
    const key = activationKeyOf(actor)
    const reading = { at: countedAt, cpuMs: cpuMs ?? 0, frames: actor.frames, runMs: actor.runMs }
    if (active.length > 1 || (cpuMs === undefined && quota !== undefined)) this.tracks.delete(worker)
    else if (track?.key !== key || !follows(track.start, reading)) {
      this.tracks.set(worker, { key, start: reading, spans: undefined })
    } else if (reading.at - track.start.at >= SPAN_MS) {
      const span = this.spanOf(track.start, reading, quota)
      const spans =
        span === undefined || track.spans === undefined ? [] : [...track.spans, span].slice(-SPANS)
      this.tracks.set(worker, { key, start: reading, spans })
    }
  }

  forget(worker: string): void {
    this.tracks.delete(worker)
    this.counts.delete(worker)
  }

  /** Of each worker of a plan; undefined as long as frames have not shown it of all. */
  of({ pipeline, epoch, stages }: Plan): ReadonlyMap<string, ShownLoad> | undefined {
    const shown = new Map<string, Span>()
    for (const { worker, ...stage } of stages) {
      const track = this.tracks.get(worker)
      const spans = track?.key === activationKeyOf({ pipeline, epoch, ...stage }) ? (track.spans ?? []) : []
      const span = this.settled(spans)
      if (span === undefined) return undefined
      shown.set(worker, span)
    }
    const isFull = [...shown.values()].some(({ busy }) => busy >= FULL)
    return isFull ? shown : undefined
  }

  /** The mean of spans that are alike. */
  private settled(spans: readonly Span[]): Span | undefined {
    const last = spans.at(-1)
    if (last === undefined || spans.length < SPANS || this.now() - last.endedAt > FRESH_MS) return undefined
    const all = spans.map(({ ms }) => ms)
    if (Math.max(...all) > (1 + ALIKE) * Math.min(...all)) return undefined
    return { ...last, ms: all.reduce((sum, ms) => sum + ms, 0) / all.length }
  }

  private spanOf(start: Reading, end: Reading, quota: number | undefined): Span | undefined {
    const [frames, forMs] = [end.frames - start.frames, end.at - start.at]
    const busyMs = quota === undefined ? end.runMs - start.runMs : (end.cpuMs - start.cpuMs) / quota
    const ms = busyMs / frames
    if (frames < SPAN_FRAMES || !(ms >= LEAST_MS)) return undefined
    return { ms, of: quota === undefined ? 'runs' : 'all', busy: busyMs / forMs, endedAt: this.now() }
  }
}

/** A runtime that was started again counts from 0. */
function follows(start: Reading, { at, cpuMs, frames, runMs }: Reading): boolean {
  return at >= start.at && cpuMs >= start.cpuMs && frames >= start.frames && runMs >= start.runMs
}
