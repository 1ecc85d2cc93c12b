import { type ChildProcess } from 'node:child_process'
import { Lines } from '../../../broker/index.js'
import { type Options } from '../../../core/options.js'
import { topicsOf } from '../../../core/topics.js'
import { serveFaults } from '../../faults/index.js'
import { type brokerConnection, openerOf } from '../cli/connection.js'
import { freshId } from '../cli/names.js'
import { type Session } from '../cli/session.js'
import { WorkerFaults } from './worker-faults.js'

/**
 * Lets a worker suffer the faults that are ordered from it, over a connection that none of them breaks.
 * @param runtimes  its runtime processes, as they come and go
 * @returns the lines through which it is to dial, and the faults that its next runtime process begins with
 */
export async function startFaults(
  session: Session,
  id: string,
  given: Options<typeof brokerConnection>,
  runtimes: ReadonlySet<ChildProcess>,
): Promise<{ readonly lines: Lines; readonly lasting: WorkerFaults['lasting'] }> {
  const lines = new Lines()
  session.cleanup.defer('closing the lines', () => lines.close())
  const bus = await openerOf(given)({ clientId: freshId('millrace-faults') })
  session.cleanup.defer('closing the connection for faults', () => bus.close())
  const faults = new WorkerFaults(given.broker, lines, runtimes)
  const topics = topicsOf(given.root)
  await serveFaults(bus, topics, topics.fault.worker(id), fault => faults.effectOf(fault))
  return { lines, lasting: faults.lasting }
}
