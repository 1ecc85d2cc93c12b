import { type WalkSteps } from './walk-steps.js'

/** Largest number of words of a table, 4 bytes each. */
const MOST_WORDS = 32_000_000

/** For i from 0: the numbers below 32 without bit i, as a set. */
const WITHOUT = [0x55555555, 0x33333333, 0x0f0f0f0f, 0x00ff00ff, 0x0000ffff]

/**
 * Which walks there are: by the position where the last stage ends and its device, the sets of watched devices that the
 * walks up to there have used. Such a family of sets is a row of bits, one for each subset. To use another watched device
 * takes the subsets without it, and moves each by the value of its bit: whole words at a time.
 */
export class WalkTable {
  /** Of one row. */
  readonly words: number
  /** At `position * count + device`; only rows with any bit. */
  private readonly rows: (Int32Array | undefined)[]
  private left = MOST_WORDS
  /** By device: its bit in a subset; -1 for one that is not watched. */
  private readonly bits: Int32Array
  private readonly begun: Int32Array

  constructor(
    private readonly steps: WalkSteps,
    watched: readonly number[],
  ) {
    this.words = watched.length <= 5 ? 1 : 2 ** (watched.length - 5)
    this.rows = Array.from({ length: (steps.end + 1) * steps.count }, () => undefined)
    this.bits = new Int32Array(steps.count).fill(-1)
    for (const [bit, device] of watched.entries()) this.bits[device] = bit
    this.begun = new Int32Array(this.words)
  }

  /** @param late  whether to give up; asked now and then. It gives up too where the table would be too large. */
  fill(late: () => boolean): 'walks' | 'none' | 'unknown' {
    const { count, end } = this.steps
    for (let begin = 0; begin < end; begin++) {
      if (late()) return 'unknown'
      for (let device = 0; device < count; device++) {
        const ends = this.steps.endsOf(device, begin)
        if (ends.length === 0 || !this.beginAt(begin, device)) continue
        for (const to of ends) this.endAt(to, device)
        if (this.left < 0) return 'unknown'
      }
    }
    return this.rows.slice(end * count).some(row => row !== undefined) ? 'walks' : 'none'
  }

  /** Whether a walk ends with a stage on the device, there, after the use of just these watched devices. */
  has(position: number, device: number, subset: number): boolean {
    const row = this.rows[position * this.steps.count + device]
    return row !== undefined && (((row[subset >>> 5] as number) >>> (subset & 31)) & 1) === 1
  }

  /** What a subset was before the device was used; -1: it cannot have been used last. */
  before(subset: number, device: number): number {
    const bit = this.bits[device] as number
    if (bit === -1) return subset
    return ((subset >>> bit) & 1) === 1 ? subset - 2 ** bit : -1
  }

  /** Makes `begun` the subsets with which a stage on the device can begin, itself included; whether there are any. */
  private beginAt(begin: number, device: number): boolean {
    const { steps, begun, words } = this
    begun.fill(0)
    if (begin === 0) begun[0] = 1
    for (let before = 0; before < steps.count; before++) {
      const row = this.rows[begin * steps.count + before]
      if (row === undefined || !steps.carries(begin, before, device)) continue
      for (let w = 0; w < words; w++) begun[w] = (begun[w] as number) | (row[w] as number)
    }
    this.use(this.bits[device] as number)
    return begun.some(word => word !== 0)
  }

  /** Keeps the subsets without a watched device, and adds it to them. */
  private use(bit: number): void {
    const { begun, words } = this
    if (bit < 0) return
    if (bit < 5) {
      for (let w = 0; w < words; w++)
        begun[w] = ((begun[w] as number) & (WITHOUT[bit] as number)) << (1 << bit)
      return
    }
    const half = 2 ** (bit - 5)
    for (let w = 0; w < words; w += 2 * half) {
      begun.copyWithin(w + half, w, w + half)
      begun.fill(0, w, w + half)
    }
  }

  private endAt(end: number, device: number): void {
    const { words, begun } = this
    const at = end * this.steps.count + device
    const row = this.rows[at]
    if (row === undefined) {
      this.rows[at] = begun.slice()
      this.left -= words
      return
    }
    for (let w = 0; w < words; w++) row[w] = (row[w] as number) | (begun[w] as number)
  }
}
