import { topicsOf } from '../../../core/topics.js'
import { MillraceError } from '../../../core/errors.js'
import { connectBus } from '../../../broker/index.js'
import { type FaultEffect, serveFaults } from '../../faults/index.js'
import { freshId } from '../cli/names.js'
import { type OwnBroker } from '../cli/local-cluster.js'
import { type Session } from '../cli/session.js'

export interface BrokerFaultsWish {
  readonly broker: OwnBroker
  readonly root: string
  readonly username?: string | undefined
  readonly password?: string | undefined
}

/** Lets the broker of this process be ended and begun again when that is ordered. */
export async function startBrokerFaults(session: Session, wish: BrokerFaultsWish): Promise<void> {
  const { broker, root, username, password } = wish
  const bus = await connectBus(broker.url, { clientId: freshId('millrace-faults'), username, password })
  session.cleanup.defer('closing the connection for faults', () => bus.close())
  const topics = topicsOf(root)
  const restart = (ms: number) =>
    broker.restart(ms).catch((error: unknown) => session.stop(MillraceError.from(error).message))
  await serveFaults(bus, topics, topics.fault.broker, (fault): FaultEffect | undefined =>
    fault.type === 'restart' ? { after: () => void restart(fault.ms) } : undefined,
  )
}
