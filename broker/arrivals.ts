import { BriefMap } from '../core/brief-map.js'

/** [MQTT-2.3.1] */
const MOST_ID = 65_535

/** The acknowledgements that one connection waits for, of messages that are sent once whatever comes of them. */
export class Arrivals {
  private readonly expected = new BriefMap<number, () => void>()
  private lastId = 0

  /** @returns what the acknowledgement of the next message is to be named */
  expect(arrived: () => void): number {
    this.lastId = (this.lastId % MOST_ID) + 1
    this.expected.set(this.lastId, arrived)
    return this.lastId
  }

  acknowledged(id = 0): void {
    this.expected.get(id)?.()
    this.expected.delete(id)
  }

  /** The connection has ended: nothing is acknowledged any more. */
  clear(): void {
    this.expected.clear()
  }
}
