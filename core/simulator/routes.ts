import { sharesOf } from '../planner/objective.js'
import { type PlannedStage, type PlanProblem } from '../planner/problem.js'
import { replicaFor } from '../schedule.js'
import { type Faults } from './faults.js'
import { type Outage } from './timeline.js'

/** One stage, or the dispatcher behind the last one. */
interface Station {
  readonly devices: readonly number[]
  readonly shares: readonly number[]
}

/** The time between two changes in what is suspected. */
interface Era {
  /** For each station, for each of its devices: whether a frame gets from there to the dispatcher. */
  readonly open: readonly (readonly boolean[])[]
  /** By station and sender. */
  readonly weights: Map<number, readonly number[]>
}

/**
 * Which device a frame goes to. All senders know what is suspected: a device or link that is out is suspected from the
 * time at which that is noticed until it is back.
 */
export class Routes {
  /** Times at which what is suspected changes, ascending. */
  readonly changes: readonly number[]
  private readonly dispatcher: number
  private readonly stations: readonly Station[]
  private readonly eras = new Map<number, Era>()

  constructor(
    private readonly problem: PlanProblem,
    stages: readonly PlannedStage[],
    private readonly faults: Faults,
    private readonly detectMs: number,
  ) {
    this.dispatcher = problem.devices.length
    this.stations = [
      ...stages.map(stage => ({ devices: stage.devices, shares: sharesOf(problem, stage) })),
      { devices: [this.dispatcher], shares: [1] },
    ]
    const times = faults.outages.flatMap(({ outage }) => [this.noticedAt(outage), outage.until])
    this.changes = [...new Set(times)].filter(time => time < Infinity).sort((a, b) => a - b)
  }

  noticedAt({ at }: Outage): number {
    return at + this.detectMs
  }

  /**
   * @param station  of the receiver; the number of stages for the dispatcher
   * @param from  a device or the dispatcher
   * @returns a device, or the dispatcher; undefined: none is known that the frame gets through from
   */
  next(sequence: number, station: number, from: number, at: number): number | undefined {
    const index = replicaFor(sequence, station, this.weights(station, from, at))
    return index === undefined ? undefined : this.stations[station]?.devices[index]
  }

  /** Whether a frame that is sent now gets through, as far as is known. */
  isOpen(at: number): boolean {
    return this.weights(0, this.dispatcher, at).some(weight => weight > 0)
  }

  private weights(station: number, from: number, at: number): readonly number[] {
    const era = this.eraAt(at)
    const key = station * (this.dispatcher + 1) + from
    const known = era.weights.get(key)
    if (known !== undefined) return known
    const { devices = [], shares = [] } = this.stations[station] ?? {}
    const open = era.open[station] ?? []
    const weights = shares.map((share, i) =>
      open[i] === true && this.hasWay(from, devices[i] ?? 0, at) ? share : 0,
    )
    era.weights.set(key, weights)
    return weights
  }

  private eraAt(at: number): Era {
    const index = this.changes.length === 0 ? 0 : this.changes.filter(change => change <= at).length
    const era = this.eras.get(index) ?? { open: this.openAt(at), weights: new Map() }
    this.eras.set(index, era)
    return era
  }

  /** From the last station to the first. */
  private openAt(at: number): boolean[][] {
    const open: boolean[][] = []
    let after: { readonly devices: readonly number[]; readonly open: readonly boolean[] } | undefined
    for (const { devices } of this.stations.toReversed()) {
      const next = after
      const here = devices.map(
        from => next?.devices.some((to, i) => next.open[i] === true && this.hasWay(from, to, at)) ?? true,
      )
      open.unshift(here)
      after = { devices, open: here }
    }
    return open
  }

  private hasWay(from: number, to: number, at: number): boolean {
    const suspected = (outage: Outage | undefined) => outage !== undefined && this.noticedAt(outage) <= at
    const link = this.faults.timelineOf({ kind: 'link', from, to })
    const device = this.faults.timelineOf({ kind: 'device', device: to })
    return (
      (this.problem.network.rates[from]?.[to] ?? 0) > 0 &&
      !suspected(link.outageIn(at, at)) &&
      !suspected(device.outageIn(at, at))
    )
  }
}
