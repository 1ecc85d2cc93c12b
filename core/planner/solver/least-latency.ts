import { type Host, type HostedStage, type Instance, TOLERANCE } from './instance.js'
import { dispatcherOf, type Ends, msPerByte } from './links.js'
import { addPosition, somePosition, wordsFor } from './position-sets.js'
import { leastEnd, type Selections } from './selections.js'
import { Steps } from './steps.js'
import { crossableOf } from './thresholds.js'

/** Largest number of entries of the table, 12 bytes each. */
const MOST_ENTRIES = 8_000_000
const MOST_HOSTS = 1100

export function latencySearchable({ end }: Instance, { parts, hosts }: Selections): boolean {
  return parts.length * (end + 1) <= MOST_ENTRIES && hosts.length <= MOST_HOSTS
}

/**
 * Of all plans within a time the one with the least latency, and of those one with fewest devices: the dynamic programming
 * of `SubsetSearch`, with the least latency up to each position instead of whether it can be reached.
 * @param knownMs the latency of a plan that is known already: slower ones are not followed
 * @returns nothing when there is no such plan, or the search gave up
 */
export function leastLatency(
  instance: Instance,
  selections: Selections,
  withinMs: number,
  knownMs: number,
  late: () => boolean,
): HostedStage[] | undefined {
  const { starts, parts, all } = selections
  const table = new LatencyTable(instance, selections, withinMs, knownMs)
  for (let used = 1; used <= all; used++) {
    if ((used & 15) === 0 && late()) return undefined
    for (let row = starts[used] as number; row < (starts[used + 1] as number); row++) {
      table.fill(row, used, parts[row] as number)
    }
  }
  return table.best()
}

class LatencyTable {
  private readonly width: number
  private readonly words: number
  private readonly crossable
  private readonly steps: Steps
  private readonly fastest: number
  private readonly mostMs: number
  /** By `row * width + position` where a stage ends; and the entry where the stage before it does. */
  private readonly latency: Float64Array
  private readonly previous: Int32Array
  /** By row: the positions that have an entry, and whether any has. */
  private readonly reached: Int32Array
  private readonly some: Uint8Array
  /** By position: when the stage that is looked at could begin there, and the entry where the stage before it ends. */
  private readonly ready: Float64Array
  private readonly readyFrom: Int32Array
  private finished = { ms: Infinity, devices: 0, entry: -1 }

  constructor(
    private readonly instance: Instance,
    private readonly selections: Selections,
    private readonly withinMs: number,
    knownMs: number,
  ) {
    this.width = instance.end + 1
    this.words = wordsFor(instance.end)
    this.reached = new Int32Array(selections.parts.length * this.words)
    this.some = new Uint8Array(selections.parts.length)
    this.crossable = crossableOf(instance)
    this.steps = new Steps(instance, selections, this.crossable, withinMs)
    this.fastest = Math.max(...instance.singles.map(({ speed }) => speed))
    this.mostMs = knownMs * (1 + TOLERANCE)
    this.latency = new Float64Array(selections.parts.length * this.width).fill(Infinity)
    this.previous = new Int32Array(selections.parts.length * this.width)
    this.ready = new Float64Array(this.width)
    this.readyFrom = new Int32Array(this.width)
  }

  /** The entries of a host as the last of the devices used. */
  fill(row: number, used: number, host: number): void {
    const before = used - (this.selections.codes[host] as number)
    this.ready.fill(Infinity)
    if (before === 0) this.begin(host)
    else this.continueAfter(before, host)
    this.runStages(row, used, host)
  }

  best(): HostedStage[] | undefined {
    if (this.finished.entry === -1) return undefined
    const { parts, hosts } = this.selections
    const stages: HostedStage[] = []
    for (let entry = this.finished.entry; entry !== -1;) {
      const before = this.previous[entry] as number
      const host = hosts[parts[Math.floor(entry / this.width)] as number] as Host
      stages.unshift({ from: before === -1 ? 0 : before % this.width, to: entry % this.width, host })
      entry = before
    }
    return this.selections.named(stages)
  }

  private begin(host: number): void {
    if (!this.steps.canBegin(host)) return
    const { links, hosts } = this.selections
    this.ready[0] = this.hopMs(this.perByte(dispatcherOf(links), hosts[host] as Host), 0)
    this.readyFrom[0] = -1
  }

  private continueAfter(before: number, host: number): void {
    const { starts, parts, hosts } = this.selections
    const { latency, ready, width, words, reached } = this
    for (let row = starts[before] as number; row < (starts[before + 1] as number); row++) {
      if (this.some[row] === 0) continue
      const sender = parts[row] as number
      const carried = this.steps.rank(sender, host) * words
      let perByte: number | undefined
      for (let w = 0; w < words; w++) {
        let bits = (reached[row * words + w] as number) & (this.crossable.sets[carried + w] as number)
        for (; bits !== 0; bits &= bits - 1) {
          const position = (w << 5) + (31 - Math.clz32(bits & -bits))
          const entry = row * width + position
          if ((latency[entry] as number) >= (ready[position] as number)) continue
          perByte ??= this.perByte(hosts[sender] as Host, hosts[host] as Host)
          const arrived = (latency[entry] as number) + this.hopMs(perByte, position)
          if (arrived >= (ready[position] as number)) continue
          ready[position] = arrived
          this.readyFrom[position] = entry
        }
      }
    }
  }

  private runStages(row: number, used: number, host: number): void {
    const { instance, width, words, latency } = this
    const { end, work, computeAfter } = instance
    const { speed, members } = this.selections.hosts[host] as Host
    const ends = this.steps.endsOf(host)
    const leastTo = leastEnd(instance, this.selections, used, this.withinMs)
    for (let from = 0; from < end; from++) {
      const begun = this.ready[from] as number
      if (begun === Infinity) continue
      somePosition(ends, from * words, words, to => {
        // The mean over members, of which each takes a share of frames like its speed.
        const ms = begun + (members.length * (work[from * width + to] as number)) / speed
        const entry = row * width + to
        if (ms >= (latency[entry] as number) || (to < leastTo && to < end)) return false
        if (ms + (computeAfter[to] as number) / this.fastest <= this.mostMs) {
          latency[entry] = ms
          addPosition(this.reached, row * words, to)
          this.some[row] = 1
          this.previous[entry] = this.readyFrom[from] as number
        }
        return false
      })
    }
    this.finish(row * width + end, used, host)
  }

  private finish(entry: number, used: number, host: number): void {
    if (!this.steps.canFinish(host) || this.latency[entry] === Infinity) return
    const { links, hosts, countOf } = this.selections
    const back = this.hopMs(this.perByte(hosts[host] as Host, dispatcherOf(links)), this.instance.end)
    const ms = (this.latency[entry] as number) + back
    const devices = countOf[used] as number
    const { finished } = this
    const slack = TOLERANCE * ms
    if (ms < finished.ms - slack || (ms <= finished.ms + slack && devices < finished.devices)) {
      this.finished = { ms, devices, entry }
    }
  }

  private perByte(from: Ends, to: Ends): number {
    return msPerByte(this.selections.links, from, to)
  }

  private hopMs(perByte: number, position: number): number {
    const bytes = this.instance.bytes[position] as number
    // A link without limit may have any number of bytes, and one that is not there no message at all.
    return (perByte === Infinity ? Infinity : bytes * perByte) + this.instance.links.messageMs
  }
}
