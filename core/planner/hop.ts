import { transferMs } from './objective.js'
import { type PlanProblem } from './problem.js'

/** A device with its share of a stage's frames. */
export interface HopEnd {
  readonly device: number
  readonly share: number
}

/**
 * The slowest of links and network cards between two stages that are on different devices, where no other message takes
 * that way.
 * @param before  undefined: the dispatcher
 */
export function hopMs(
  { devices, network }: PlanProblem,
  bytes: number,
  before: readonly HopEnd[] | undefined,
  after: readonly HopEnd[],
): number {
  const senders = before ?? [{ device: devices.length, share: 1 }]
  const links = senders.flatMap(from =>
    after.map(to => {
      const ms = transferMs(bytes, network.rates[from.device]?.[to.device] ?? 0) + network.messageMs
      return from.share * to.share * ms
    }),
  )
  const sending = senders.map(({ device, share }) => {
    const rate = before === undefined ? network.dispatcherSendRate : (devices[device]?.sendRate ?? 0)
    return share * transferMs(bytes, rate)
  })
  const receiving = after.map(({ device, share }) => {
    return share * transferMs(bytes, devices[device]?.receiveRate ?? 0)
  })
  return Math.max(...links, ...sending, ...receiving)
}
