import { type Instance } from './instance.js'
import { type Verdict } from './subset-search.js'
import { WalkSteps } from './walk-steps.js'
import { WalkTable } from './walk-table.js'
import { WalkTrace } from './walk-trace.js'

export function walkSearchable({ problem }: Instance): boolean {
  return !problem.replicas
}

/**
 * Decides whether any plan without replicas is within a time, for more devices than tables of all sets of them allow. It
 * looks for walks instead of plans: chains of stages that may use a device again, unless it is one of a few that are
 * watched. Every plan is such a walk, so where there is no walk there is no plan. Where there are walks, one without
 * repetition is a plan; if none is found, the device that was in the way most often is watched too, and so on.
 * Source: decremental state space relaxation; G. Righini and M. Salani, Networks 51(3), 2008
 */
export class WalkSearch {
  /** @param late whether the search is to give up; asked now and then */
  constructor(
    private readonly instance: Instance,
    private readonly late: () => boolean,
  ) {}

  find(withinMs: number): Verdict {
    const { singles } = this.instance
    const steps = new WalkSteps(this.instance, withinMs)
    const watched: number[] = []
    for (;;) {
      const table = new WalkTable(steps, watched)
      const verdict = table.fill(this.late)
      if (verdict !== 'walks') return verdict
      const trace = new WalkTrace(steps, table)
      const stages = trace.plan(singles)
      if (stages !== undefined) return stages
      watched.push(trace.mostInTheWay())
    }
  }
}
