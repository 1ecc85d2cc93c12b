import { type Bus } from '../../../core/bus.js'
import { decodeHeader } from '../../../core/codec/index.js'
import { identityKey } from '../../../core/frame.js'
import { type OpenBus } from '../../../config/connect.js'

/** How often each frame left its dispatcher, as seen on the dispatcher's connection to the broker. */
export class Sends {
  private readonly copies = new Map<string, number>()

  /** The same connections, those for frames with an eye on them. */
  watched(open: OpenBus): OpenBus {
    return async wish => {
      const bus = await open(wish)
      return wish.clientId.endsWith('-data') ? this.watch(bus) : bus
    }
  }

  /** Of these frames, those that left more than once. */
  replayed(keys: Iterable<string>): number {
    return [...keys].filter(key => (this.copies.get(key) ?? 0) > 1).length
  }

  private watch(bus: Bus): Bus {
    return {
      clientId: bus.clientId,
      maxMessageBytes: bus.maxMessageBytes,
      state$: bus.state$,
      publish: (topic, payload, options) => {
        const key = identityKey(decodeHeader(payload))
        this.copies.set(key, (this.copies.get(key) ?? 0) + 1)
        return bus.publish(topic, payload, options)
      },
      subscribe: (filter, handler, options) => bus.subscribe(filter, handler, options),
      close: () => bus.close(),
    }
  }
}
