import { type Host, type HostedStage, type Instance } from './instance.js'
import { hasPosition, somePosition, wordsFor } from './position-sets.js'
import { leastEnd, type Selections, sizeOf } from './selections.js'
import { Steps } from './steps.js'
import { type Crossable, crossableOf } from './thresholds.js'

/** Stages of a plan within the threshold, 'none' when there is proved to be none, 'unknown' when the search gave up. */
export type Verdict = readonly HostedStage[] | 'none' | 'unknown'

const MOST_WORDS = 12_000_000
const MOST_STEPS = 40_000_000
const MOST_HOSTS = 4096

/** Whether the tables of a search over all selections of devices are small enough. */
export function subsetSearchable(instance: Instance): boolean {
  const { hosts, parts, steps } = sizeOf(instance)
  return parts * wordsFor(instance.end) <= MOST_WORDS && steps <= MOST_STEPS && hosts <= MOST_HOSTS
}

/**
 * Decides whether any plan is within a time, by dynamic programming over (devices used, host of the last stage): the set
 * of positions where that stage can end, when every resource before it is within the time. Exact, because what is left
 * of a plan depends on nothing else: not on how the used devices came to be used.
 *
 * One step of it is a hop and a stage: from the positions where the host before can end, those that the hop can carry
 * are where this stage can begin; its ends follow from a table. Both are unions and intersections of bit sets.
 */
export class SubsetSearch {
  private readonly words: number
  private readonly rows: Int32Array
  /** Rows with any position. */
  private readonly some: Uint8Array
  private readonly begins: Int32Array
  private readonly crossable: Crossable

  /** @param late whether the search is to give up; asked now and then */
  constructor(
    private readonly instance: Instance,
    private readonly selections: Selections,
    private readonly late: () => boolean,
  ) {
    this.words = wordsFor(instance.end)
    this.rows = new Int32Array(selections.parts.length * this.words)
    this.some = new Uint8Array(selections.parts.length)
    this.begins = new Int32Array(this.words)
    this.crossable = crossableOf(instance)
  }

  find(withinMs: number): Verdict {
    const steps = new Steps(this.instance, this.selections, this.crossable, withinMs)
    const { starts, parts, all } = this.selections
    for (let used = 1; used <= all; used++) {
      if ((used & 63) === 0 && this.late()) return 'unknown'
      const leastPosition = leastEnd(this.instance, this.selections, used, withinMs)
      for (let row = starts[used] as number; row < (starts[used + 1] as number); row++) {
        const host = parts[row] as number
        this.some[row] = 0
        if (!this.fillBegins(steps, used, host)) continue
        this.fillRow(row, steps.endsOf(host))
        if (steps.canFinish(host) && hasPosition(this.rows, row * this.words, this.instance.end)) {
          return this.selections.named(this.stagesOf(steps, row, used))
        }
        this.dropBefore(row, leastPosition)
      }
    }
    return 'none'
  }

  /** Where the stage of a host can begin, after all other devices used; whether there is such a place. */
  private fillBegins(steps: Steps, used: number, host: number): boolean {
    const { rows, words, begins, some } = this
    const { starts, parts, codes } = this.selections
    const { sets } = this.crossable
    const before = used - (codes[host] as number)
    begins.fill(0)
    if (before === 0) begins[0] = Number(steps.canBegin(host))
    for (let row = starts[before] as number; row < (starts[before + 1] as number); row++) {
      if (some[row] === 0) continue
      const carried = steps.rank(parts[row] as number, host) * words
      for (let w = 0; w < words; w++) {
        const ready = (rows[row * words + w] as number) & (sets[carried + w] as number)
        begins[w] = (begins[w] as number) | ready
      }
    }
    return begins.some(word => word !== 0)
  }

  /** Where a stage can end that begins at any of `begins`. */
  private fillRow(row: number, ends: Int32Array): void {
    const { rows, words, begins } = this
    rows.fill(0, row * words, (row + 1) * words)
    for (let word = 0; word < words; word++) {
      for (let bits = begins[word] as number; bits !== 0; bits &= bits - 1) {
        const from = (word << 5) + (31 - Math.clz32(bits & -bits))
        for (let w = 0; w < words; w++) {
          const at = row * words + w
          rows[at] = (rows[at] as number) | (ends[from * words + w] as number)
        }
      }
    }
  }

  private dropBefore(row: number, position: number): void {
    const { rows, words, some } = this
    for (let w = 0; w < words; w++) {
      const dropped = Math.min(32, Math.max(0, position - (w << 5)))
      const at = row * words + w
      rows[at] = dropped === 32 ? 0 : (rows[at] as number) & (-1 << dropped)
      if (rows[at] !== 0) some[row] = 1
    }
  }

  /** Walks back from the end through rows that lead there. */
  private stagesOf(steps: Steps, lastRow: number, allUsed: number): HostedStage[] {
    const { parts, codes, hosts } = this.selections
    const stages: HostedStage[] = []
    let [row, used, to] = [lastRow, allUsed, this.instance.end]
    for (;;) {
      const host = parts[row] as number
      used -= codes[host] as number
      const step = used === 0 ? { row, from: 0 } : this.stepBack(steps, used, host, to)
      stages.unshift({ from: step.from, to, host: hosts[host] as Host })
      if (used === 0) return stages
      row = step.row
      to = step.from
    }
  }

  /** The row of devices `before` from which a stage of the host can end at `to`, and where that stage begins. */
  private stepBack(steps: Steps, before: number, host: number, to: number): { row: number; from: number } {
    const { rows, words } = this
    const { starts, parts } = this.selections
    const ends = steps.endsOf(host)
    let from = -1
    for (let row = starts[before] as number; row < (starts[before + 1] as number); row++) {
      if (this.some[row] === 0) continue
      const carried = steps.rank(parts[row] as number, host) * words
      const leads = somePosition(rows, row * words, words, position => {
        from = position
        return hasPosition(this.crossable.sets, carried, position) && leadsTo(ends, position * words, to)
      })
      if (leads) return { row, from }
    }
    throw new Error('a row of the search has a position that nothing leads to')
  }
}

/** Positions that a stage ends at are after the one that it begins at; the last position begins none. */
function leadsTo(ends: Int32Array, offset: number, to: number): boolean {
  return offset < ends.length && hasPosition(ends, offset, to)
}
