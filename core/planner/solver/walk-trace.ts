import { type HostedStage, type Host } from './instance.js'
import { type WalkSteps } from './walk-steps.js'
import { type WalkTable } from './walk-table.js'

/** Stages that one search looks at before it gives up: more where the table took longer to make. */
const MOST_LOOKS = 2000

interface Place {
  readonly device: number
  readonly from: number
  readonly to: number
}

/** Looks for a walk of a table that uses no device twice, from the end to the beginning, depth first. */
export class WalkTrace {
  /** By device: how often it was in the way, because it had been used already. */
  private readonly conflicts: Int32Array
  private readonly path: Place[] = []
  private readonly used: Uint8Array
  private looks = 0

  constructor(
    private readonly steps: WalkSteps,
    private readonly table: WalkTable,
  ) {
    this.conflicts = new Int32Array(steps.count)
    this.used = new Uint8Array(steps.count)
  }

  /** Its stages; nothing when none was found. */
  plan(singles: readonly Host[]): HostedStage[] | undefined {
    const { count, end } = this.steps
    for (let device = 0; device < count; device++) {
      for (let subset = 0; subset < this.table.words * 32; subset++) {
        if (!this.table.has(end, device, subset) || !this.leadsBack(device, end, subset)) continue
        return this.path.map(({ device, from, to }) => ({ from, to, host: singles[device] as Host }))
      }
    }
    return undefined
  }

  /** The device that was in the way most often, the first of equals. */
  mostInTheWay(): number {
    return this.conflicts.indexOf(Math.max(...this.conflicts))
  }

  private leadsBack(device: number, to: number, subset: number): boolean {
    if (++this.looks > MOST_LOOKS + this.table.words) return false
    const before = this.table.before(subset, device)
    if (before === -1) return false
    this.used[device] = 1
    for (const from of this.steps.beginsOf(device, to)) {
      this.path.unshift({ device, from, to })
      if (from === 0 ? before === 0 : this.continuesBack(device, from, before)) return true
      this.path.shift()
    }
    this.used[device] = 0
    return false
  }

  private continuesBack(device: number, position: number, subset: number): boolean {
    for (let before = 0; before < this.steps.count; before++) {
      if (!this.table.has(position, before, subset) || !this.steps.carries(position, before, device)) continue
      if (this.used[before] === 1) this.conflicts[before] = (this.conflicts[before] as number) + 1
      else if (this.leadsBack(before, position, subset)) return true
    }
    return false
  }
}
