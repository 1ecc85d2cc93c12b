import { type Host, type HostedStage, type Instance } from './instance.js'
import { type Ends, hopCapacity } from './links.js'
import { addPosition, hasPosition, somePosition, wordsFor } from './position-sets.js'
import { type Verdict } from './subset-search.js'
import { type Crossable, crossableOf, stageEnds } from './thresholds.js'

/** Sets of devices are sums of powers of 2, exact in a number up to here. */
const MOST_DEVICES = 52
/** States that one search looks at before it gives up. */
const MOST_STATES = 300_000

export function pathSearchable({ problem, singles }: Instance): boolean {
  return !problem.replicas && singles.length <= MOST_DEVICES
}

/**
 * Decides whether any plan without replicas is within a time, for more devices than tables of all sets of them allow: a
 * depth-first search over the same states as `SubsetSearch`, (devices used, last device), that looks only at those that
 * can be reached, and at each position of them once.
 *
 * Positions are dropped from which the end cannot be reached even when devices may be used again (but not twice
 * in a row): every plan is such a walk, so nothing is lost. Where not even the start is left, that alone is the proof.
 */
export class PathSearch {
  private readonly words: number
  private readonly crossable: Crossable
  private readonly count: number
  /** By device: where its stages can end, as `stageEnds` says, and where one may end so that the rest can be a walk. */
  private ends: Int32Array[] = []
  private readonly useful: Int32Array
  /** `[from * count + to]`: rank of the largest crossing that the link can carry. */
  private readonly ranks: Int32Array
  private canBegin: boolean[] = []
  private canFinish: boolean[] = []
  /** By last device and set of devices: where its stage was seen to end. */
  private seen: Map<number, Int32Array>[] = []
  private states = 0

  /** @param late whether the search is to give up; asked now and then */
  constructor(
    private readonly instance: Instance,
    private readonly late: () => boolean,
  ) {
    this.words = wordsFor(instance.end)
    this.crossable = crossableOf(instance)
    this.count = instance.singles.length
    this.useful = new Int32Array(this.count * this.words)
    this.ranks = new Int32Array(this.count * this.count)
  }

  find(withinMs: number): Verdict {
    this.prepare(withinMs)
    this.fillUseful()
    this.seen = this.ends.map(() => new Map<number, Int32Array>())
    this.states = 0
    const start: Visit = { device: -1, used: 0, ends: this.startSet() }
    const path = this.follow(start)
    return typeof path === 'string' ? path : this.stagesOf(path)
  }

  private prepare(withinMs: number): void {
    const { singles, links, dispatcher, bytes, end } = this.instance
    const within = (from: Ends, to: Ends, position: number) =>
      (bytes[position] as number) <= hopCapacity(links, from, to, withinMs)
    this.ends = singles.map(host => stageEnds(this.instance, host, withinMs))
    this.canBegin = singles.map(host => within(dispatcher, host, 0))
    this.canFinish = singles.map(host => within(host, dispatcher, end))
    for (const [i, from] of singles.entries()) {
      for (const [j, to] of singles.entries()) {
        const capacity = i === j ? -1 : hopCapacity(links, from, to, withinMs)
        this.ranks[i * this.count + j] = this.crossable.rankOf(capacity)
      }
    }
  }

  private fillUseful(): void {
    const { useful, words, count, ranks } = this
    const { end } = this.instance
    useful.fill(0)
    for (let device = 0; device < count; device++) {
      if (this.canFinish[device] === true) addPosition(useful, device * words, end)
    }
    for (let p = end - 1; p > 0; p--) {
      const rank = this.crossable.ranks[p] as number
      const next = this.ends.flatMap((ends, device) => (this.leadsOn(ends, p, device) ? [device] : []))
      for (let device = 0; device < count; device++) {
        const reached = next.some(to => to !== device && (ranks[device * count + to] as number) >= rank)
        if (reached) addPosition(useful, device * words, p)
      }
    }
  }

  /** Whether a stage on the device that begins at a position can end where it is useful. */
  private leadsOn(ends: Int32Array, position: number, device: number): boolean {
    for (let w = 0; w < this.words; w++) {
      const both =
        (ends[position * this.words + w] as number) & (this.useful[device * this.words + w] as number)
      if (both !== 0) return true
    }
    return false
  }

  private startSet(): Int32Array {
    const start = new Int32Array(this.words)
    addPosition(start, 0, 0)
    return start
  }

  /** Depth first: the visits from the start to the end of the first plan that is found. */
  private follow(visit: Visit): Visit[] | 'none' | 'unknown' {
    if (hasPosition(visit.ends, 0, this.instance.end)) return [visit]
    this.states++
    if (this.states > MOST_STATES || ((this.states & 255) === 0 && this.late())) return 'unknown'
    for (const next of this.nextVisits(visit)) {
      const path = this.follow(next)
      if (path === 'unknown') return path
      if (path !== 'none') return [visit, ...path]
    }
    return 'none'
  }

  /** Those first whose stages can end nearest to the end. */
  private nextVisits(visit: Visit): Visit[] {
    const next: Visit[] = []
    for (let device = 0; device < this.count; device++) {
      const bit = 2 ** device
      if (Math.floor(visit.used / bit) % 2 === 1) continue
      const ends = this.newEnds(visit, device, visit.used + bit)
      if (ends !== undefined) next.push({ device, used: visit.used + bit, ends })
    }
    return next.sort((a, b) => lastOf(b.ends) - lastOf(a.ends))
  }

  /** Where a stage on the device can end after those of a visit, apart from what was seen before; nothing for nowhere. */
  private newEnds({ device: from, ends: begins }: Visit, to: number, used: number): Int32Array | undefined {
    const { words, crossable, useful } = this
    const found = new Int32Array(words)
    const ends = this.ends[to] as Int32Array
    const carried = from === -1 ? -1 : (this.ranks[from * this.count + to] as number) * words
    if (from === -1 && this.canBegin[to] !== true) return undefined
    for (let w = 0; w < words; w++) {
      let bits = (begins[w] as number) & (carried === -1 ? -1 : (crossable.sets[carried + w] as number))
      for (; bits !== 0; bits &= bits - 1) {
        const position = (w << 5) + (31 - Math.clz32(bits & -bits))
        for (let v = 0; v < words; v++) {
          found[v] = (found[v] as number) | (ends[position * words + v] as number)
        }
      }
    }
    const seen = this.seenBy(to, used)
    let any = 0
    for (let w = 0; w < words; w++) {
      const fresh = (found[w] as number) & (useful[to * words + w] as number) & ~(seen[w] as number)
      found[w] = fresh
      seen[w] = (seen[w] as number) | fresh
      any |= fresh
    }
    return any === 0 ? undefined : found
  }

  private seenBy(device: number, used: number): Int32Array {
    const sets = this.seen[device] as Map<number, Int32Array>
    let seen = sets.get(used)
    if (seen === undefined) sets.set(used, (seen = new Int32Array(this.words)))
    return seen
  }

  private stagesOf(path: readonly Visit[]): HostedStage[] {
    const { words, crossable, count } = this
    const stages: HostedStage[] = []
    let to = this.instance.end
    for (let i = path.length - 1; i > 0; i--) {
      const { device } = path[i] as Visit
      const before = path[i - 1] as Visit
      const carried = i === 1 ? -1 : (this.ranks[before.device * count + device] as number) * words
      let from = 0
      somePosition(before.ends, 0, words, position => {
        from = position
        const leads = position < to && hasPosition(this.ends[device] as Int32Array, position * words, to)
        return leads && (carried === -1 || hasPosition(crossable.sets, carried, position))
      })
      stages.unshift({ from, to, host: this.instance.singles[device] as Host })
      to = from
    }
    return stages
  }
}

/** A device as the last of those used, and the positions where its stage can end; -1 for the dispatcher at the start. */
interface Visit {
  readonly device: number
  readonly used: number
  readonly ends: Int32Array
}

function lastOf(set: Int32Array): number {
  for (let w = set.length - 1; w >= 0; w--) {
    if (set[w] !== 0) return (w << 5) + (31 - Math.clz32(set[w] as number))
  }
  return -1
}
