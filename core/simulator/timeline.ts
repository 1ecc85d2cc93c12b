/** From `at` until `until`, in ms, a resource works `factor` times as fast; 0: not at all. */
export interface Change {
  readonly at: number
  readonly until: number
  readonly factor: number
}

/** Time during which a resource does not work at all; what was in it is lost. */
export interface Outage {
  readonly at: number
  readonly until: number
}

interface Span extends Outage {
  readonly factor: number
}

const ALWAYS: Span = { at: -Infinity, until: Infinity, factor: 1 }

/** How fast one resource is, from the beginning to the end of time. Changes that overlap multiply. */
export class Timeline {
  private readonly spans: readonly Span[]
  readonly outages: readonly Outage[]

  constructor(changes: readonly Change[]) {
    this.spans = changes.length === 0 ? [ALWAYS] : spansOf(changes)
    this.outages = this.spans.filter(({ factor }) => factor === 0)
  }

  /** When work of so many ms ends that begins at `start`; Infinity where an outage comes before. */
  finish(start: number, workMs: number): number {
    if (this.spans.length === 1) return start + workMs
    let left = workMs
    for (const { at, until, factor } of this.spans) {
      if (until <= start) continue
      const from = Math.max(at, start)
      const end = factor === 0 ? Infinity : from + left / factor
      if (end <= until || factor === 0) return end
      left -= (until - from) * factor
    }
    return Infinity
  }

  /** The first outage that has something of the time from `from` to `to` (included). */
  outageIn(from: number, to: number): Outage | undefined {
    if (this.outages.length === 0) return undefined
    return this.outages.find(({ at, until }) => until > from && at <= to)
  }
}

function spansOf(changes: readonly Change[]): Span[] {
  const times = new Set(changes.flatMap(({ at, until }) => [at, until]))
  const edges = [-Infinity, ...[...times].sort((a, b) => a - b).filter(time => time < Infinity), Infinity]
  const spans: Span[] = []
  for (const [i, at] of edges.slice(0, -1).entries()) {
    const active = changes.filter(change => change.at <= at && at < change.until)
    const factor = active.reduce((product, change) => product * change.factor, 1)
    const before = spans.at(-1)
    const joined = before?.factor === factor ? before : undefined
    if (joined !== undefined) spans.pop()
    spans.push({ at: joined?.at ?? at, until: edges[i + 1] ?? Infinity, factor })
  }
  return spans
}
