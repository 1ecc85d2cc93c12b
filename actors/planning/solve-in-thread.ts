import { Worker } from 'node:worker_threads'
import { MillraceError } from '../../core/errors.js'
import { type SolvedPlan } from '../../core/planner/index.js'
import { type PlanningOrder, type PlanningReply } from './messages.js'

/**
 * `solvePlan` in a thread of its own: a search takes seconds, and beats do not wait. A stop ends it at once.
 * @throws PLAN_INFEASIBLE, PLAN_PROBLEM_INVALID, STOPPED
 */
export function solveInThread(order: PlanningOrder, signal: AbortSignal): Promise<SolvedPlan> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) throw stopped()
    const thread = new Worker(new URL('./planning-thread.js', import.meta.url), {
      workerData: order,
      execArgv: [],
    })
    const stop = () => void thread.terminate()
    signal.addEventListener('abort', stop, { once: true })
    thread.once('message', (reply: PlanningReply) => {
      if (reply.type === 'solved') resolve(reply.plan)
      else reject(MillraceError.fromInfo(reply.error))
    })
    thread.once('error', error => reject(MillraceError.from(error)))
    thread.once('exit', () => {
      signal.removeEventListener('abort', stop)
      reject(stopped())
    })
  })
}

function stopped(): MillraceError {
  return new MillraceError('STOPPED', 'the search for a plan was stopped')
}
