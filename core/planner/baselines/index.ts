import { equal } from './equal.js'
import { greedy } from './greedy.js'
import { kpath } from './kpath.js'
import { type Planner } from './planner.js'
import { random } from './random.js'
import { single } from './single.js'

export { kpathOf } from './kpath.js'
export { type Planner } from './planner.js'

export type BaselineName = 'single' | 'equal' | 'random' | 'greedy' | 'kpath'

/** What a plan is compared with: the ways to plan that published systems take, and the one device that is fastest. */
export const baselines: Readonly<Record<BaselineName, Planner>> = { single, equal, random, greedy, kpath }
