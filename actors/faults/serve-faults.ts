import { type Bus, type Subscription } from '../../core/bus.js'
import { decodeControl, encodeControl } from '../../core/control/index.js'
import { type Fault, type FaultAnswer, FaultOrder } from '../../core/faults.js'
import { MillraceError } from '../../core/errors.js'
import { type Topics } from '../../core/topics.js'

/** What a fault does; given as a value so that the answer can leave before it. */
export interface FaultEffect {
  /** Done before the answer. */
  readonly now?: () => Promise<void>
  /** Done after it: there may be nobody left to answer. */
  readonly after?: () => void
}

/**
 * Carries out the faults that are ordered on `topic`.
 * @param bus  a connection of its own, which no fault breaks
 * @param effectOf  undefined: it is none that this place can suffer
 */
export function serveFaults(
  bus: Bus,
  topics: Topics,
  topic: string,
  effectOf: (fault: Fault) => FaultEffect | undefined,
): Promise<Subscription> {
  const answer = (answer: FaultAnswer) =>
    bus.publish(topics.fault.answer(answer.order), encodeControl(answer), { qos: 1 })
  const carryOut = async ({ order, fault }: FaultOrder) => {
    try {
      const effect = effectOf(fault)
      if (effect === undefined)
        throw new MillraceError('FAULTS_REFUSED', `no '${fault.type}' can happen here`)
      await effect.now?.()
      await answer({ order })
      effect.after?.()
    } catch (error) {
      await answer({ order, error: MillraceError.from(error).toInfo() })
    }
  }
  const take = (payload: Uint8Array) => {
    const order = decodeControl(FaultOrder, payload)
    // Whoever ordered waits for an answer, with a limit.
    if (order !== undefined) carryOut(order).catch(() => undefined)
  }
  return bus.subscribe(topic, ({ payload }) => take(payload), { qos: 1 })
}
