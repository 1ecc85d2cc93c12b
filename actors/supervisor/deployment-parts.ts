import { type Bus } from '../../core/bus.js'
import { type Plan, type Speed } from '../../core/control/index.js'
import { type Topics } from '../../core/topics.js'
import { type Assignments } from './assignments.js'
import { type CostsParts } from './model-costs.js'
import { type WorkerRegistry } from './registry.js'
import { type CutModels } from './workshop/cut-models.js'

/** What a deployment works with; the supervisor's. */
export interface DeploymentParts extends CostsParts {
  readonly bus: Bus
  readonly topics: Topics
  readonly term: number
  readonly registry: WorkerRegistry
  readonly assignments: Assignments
  readonly cutModels: CutModels
  /** As in `SupervisorParts`. */
  readonly measureSpeed?: (() => Promise<Speed>) | undefined
  /** All plans in force. */
  readonly plans: () => Iterable<Plan>
  /** How many times slower than usual a worker is now: 1 or more. */
  readonly slowdownOf: (worker: string) => number
  /** The next epoch; each call gives a larger one. */
  readonly nextEpoch: () => number
}
