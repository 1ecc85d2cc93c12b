import { chainOf, type Costs, memoryFactorsOf } from '../../../core/costs/index.js'
import { memoryBytes, type PlanProblem } from '../../../core/planner/index.js'
import { type Wire } from '../../../core/wire.js'

const MIB = 2 ** 20

/** Positions that cut a model into parts of equally many blocks, give or take one. Source: DEFER (arXiv 2201.06769) §III */
export function equalCuts({ blocks }: Costs, parts: number): number[] {
  const count = Math.min(parts, blocks.length)
  return Array.from({ length: count - 1 }, (_, i) => {
    return blocks[Math.floor(((i + 1) * blocks.length) / count)]?.from ?? 0
  })
}

/**
 * Most memory, in MiB, in which a worker cannot have a larger share of the weights; a single block that has one, it can have.
 * @param share  0 to 1
 */
export function memoryForShare(costs: Costs, wire: Wire, share: number): number {
  const problem: PlanProblem = {
    ...{ chain: chainOf(costs, wire), ...memoryFactorsOf(costs), devices: [], replicas: true },
    network: { rates: [], messageMs: 0, dispatcherSendRate: 0, dispatcherReceiveRate: 0 },
  }
  const { blocks } = problem.chain
  const most = share * blocks.reduce((sum, { weightBytes }) => sum + weightBytes, 0)
  let tooMuch = Infinity
  let single = 0
  for (const from of blocks.keys()) {
    single = Math.max(single, memoryBytes(problem, from, from + 1))
    for (let to = from + 1; to <= blocks.length; to++) {
      const weights = blocks.slice(from, to).reduce((sum, { weightBytes }) => sum + weightBytes, 0)
      if (weights > most && to > from + 1) tooMuch = Math.min(tooMuch, memoryBytes(problem, from, to) - 1)
    }
  }
  return Math.max(single, tooMuch) / MIB
}
