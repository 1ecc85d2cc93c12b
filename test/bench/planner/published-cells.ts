import { baselines, kpathOf, type Planner } from '../../../core/planner/baselines/index.js'
import { bottleneckOf } from '../../../core/planner/objective.js'
import { randomOf } from '../../../core/synthetic/index.js'
import { type Cell, keyOf, type NetworksByName, readPublished, trialOf } from './cells.js'
import { publishedRandom } from './published-random.js'
import { deviationsFrom, sampleOf } from './statistics.js'

/** Trials behind each published mean. */
const PUBLISHED_TRIALS = 50
const CLASSES = [2, 8, 20]

export interface Comparison {
  readonly cell: string
  readonly method: string
  /** Mean bottleneck in s. */
  readonly published: number
  readonly ours: number
  readonly error: number
  /** Of the published mean from ours, in combined standard errors. */
  readonly deviations: number
}

/** Our greedy, random and k-path beside the means that SEIFER published, in every cell that has any. */
export function comparePublished(
  folder: string,
  networks: NetworksByName,
  cells: readonly Cell[],
  trials: number,
): Comparison[] {
  const methods: [name: string, planner: Planner, published: Map<string, number>, suffix: string][] = [
    ['greedy', baselines.greedy, readPublished(folder, 'joint.csv'), ''],
    ['random', publishedRandom, readPublished(folder, 'random.csv'), ''],
    ...CLASSES.map((classes): [string, Planner, Map<string, number>, string] => [
      `k-path ${classes}`,
      kpathOf(classes),
      readPublished(folder, 'kpath.csv'),
      ` ${classes}`,
    ]),
  ]
  return cells.flatMap(cell =>
    methods.flatMap(([method, planner, published, suffix]) => {
      const mean = published.get(keyOf(cell) + suffix)
      const seconds = mean === undefined ? [] : secondsOf(networks, cell, planner, trials)
      if (mean === undefined || seconds.length < 2) return []
      const sample = sampleOf(seconds)
      const deviations = deviationsFrom(mean, PUBLISHED_TRIALS, sample)
      return [
        { cell: keyOf(cell), method, published: mean, ours: sample.mean, error: sample.error, deviations },
      ]
    }),
  )
}

function secondsOf(networks: NetworksByName, cell: Cell, planner: Planner, trials: number): number[] {
  const network = networks[cell.model]
  if (network === undefined) return []
  return Array.from({ length: trials }, (_, trial) => {
    const problem = trialOf(network, cell, 'published', trial)
    const random = randomOf('baseline', keyOf(cell), trial)
    const plan = planner(problem, () => random.uniform())
    return plan ? [bottleneckOf(problem, plan).ms / 1000] : []
  }).flat()
}
