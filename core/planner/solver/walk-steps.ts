import { type Instance } from './instance.js'
import { type Ends, hopCapacity } from './links.js'
import { somePosition, wordsFor } from './position-sets.js'
import { crossableOf, stageEnds } from './thresholds.js'

/**
 * The stages and hops within a time, of those from which the end can be reached: by a chain of stages that may use
 * devices again, but none twice in a row. Every plan within the time is such a chain, so nothing is lost.
 */
export class WalkSteps {
  readonly count: number
  readonly end: number
  /** At `position * count + device`: where a stage on the device that begins at the position can end, ascending. */
  private readonly ends: number[][]
  /** The inverse: at `position * count + device` where a stage that ends at the position can begin, ascending. */
  private readonly begins: number[][]
  /** `[from * count + to]`: rank of the largest crossing that the link can carry. */
  private readonly ranks: Int32Array
  /** Of what crosses at each position. */
  private readonly needed: Int32Array

  constructor(instance: Instance, withinMs: number) {
    const { singles, links, end } = instance
    const crossable = crossableOf(instance)
    this.count = singles.length
    this.end = end
    this.needed = crossable.ranks
    this.ranks = new Int32Array(this.count ** 2)
    for (const [i, from] of singles.entries()) {
      for (const [j, to] of singles.entries()) {
        const capacity = i === j ? -1 : hopCapacity(links, from, to, withinMs)
        this.ranks[i * this.count + j] = crossable.rankOf(capacity)
      }
    }
    this.ends = Array.from({ length: (end + 1) * this.count }, () => [])
    this.begins = this.ends.map(() => [])
    this.fill(instance, withinMs)
  }

  endsOf(device: number, begin: number): readonly number[] {
    return this.ends[begin * this.count + device] as number[]
  }

  beginsOf(device: number, end: number): readonly number[] {
    return this.begins[end * this.count + device] as number[]
  }

  /** Whether what crosses at a position gets from one device to another in time. */
  carries(position: number, from: number, to: number): boolean {
    return from !== to && (this.ranks[from * this.count + to] as number) >= (this.needed[position] as number)
  }

  private fill(instance: Instance, withinMs: number): void {
    const { singles, links, dispatcher, bytes, end } = instance
    const within = (from: Ends, to: Ends, position: number) =>
      (bytes[position] as number) <= hopCapacity(links, from, to, withinMs)
    const words = wordsFor(end)
    const sets = singles.map(host => stageEnds(instance, host, withinMs))
    // By device, at the position that is looked at and those after it: whether the rest can follow a stage that ends there.
    const useful = singles.map(host =>
      new Uint8Array(end + 1).fill(Number(within(host, dispatcher, end)), end),
    )
    for (let begin = end - 1; begin >= 0; begin--) {
      for (const [device, set] of sets.entries()) {
        if (begin === 0 && !within(dispatcher, singles[device] ?? dispatcher, 0)) continue
        somePosition(set, begin * words, words, to => {
          if (useful[device]?.[to] === 1) this.add(device, begin, to)
          return false
        })
      }
      const next = singles.flatMap((_, device) => (this.endsOf(device, begin).length > 0 ? [device] : []))
      for (const [device, row] of useful.entries()) {
        row[begin] = Number(next.some(to => this.carries(begin, device, to)))
      }
    }
  }

  private add(device: number, begin: number, end: number): void {
    this.ends[begin * this.count + device]?.push(end)
    this.begins[end * this.count + device]?.unshift(begin)
  }
}
