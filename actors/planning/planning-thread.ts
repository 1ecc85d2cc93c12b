import { parentPort, workerData } from 'node:worker_threads'
import { MillraceError } from '../../core/errors.js'
import { solvePlan } from '../../core/planner/index.js'
import { type PlanningOrder, type PlanningReply } from './messages.js'

/** The thread behind `solveInThread`: one order, one reply, and it ends. */
const { problem, seed, timeLimitMs } = workerData as PlanningOrder
try {
  reply({ type: 'solved', plan: solvePlan(problem, { seed, timeLimitMs, now: () => performance.now() }) })
} catch (error) {
  reply({ type: 'failed', error: MillraceError.from(error).toInfo() })
}

function reply(message: PlanningReply): void {
  parentPort?.postMessage(message)
}
