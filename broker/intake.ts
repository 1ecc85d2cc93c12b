import { type AedesOptions, type Client } from 'aedes'
import { type SpareMemory } from '../core/spare-memory.js'
import { type Grant } from './access.js'
import { type ClientStream } from './client-stream.js'

/** A message to a broker that takes everything in itself. */
export interface TakenMessage {
  readonly topic: string
  readonly payload: Uint8Array
  /** False: a view into memory that is used again after the call. */
  readonly owned: boolean
}

export interface Intake {
  readonly take: (message: TakenMessage, from: ClientStream) => void
  /** For the payloads. */
  readonly memory: SpareMemory
}

/** So many signs of life in the time in which a client waits for one. */
const SIGNS = 3
const PINGRESP = Uint8Array.of(0xd0, 0)

/**
 * The clients of a broker that takes everything in itself. They have no session and no will. Whether the broker lives
 * they are told unasked: a client that is held, or has megabytes on their way over a slow link, could ask only behind
 * all that. For the same reason the broker asks nothing of them; TCP notices those that have gone in silence.
 */
export class IntakeClients {
  private readonly keepalives = new WeakMap<Client, number>()

  constructor(private readonly intake: Intake) {}

  readonly preConnect: NonNullable<AedesOptions['preConnect']> = (client, packet, done) => {
    this.keepalives.set(client, packet.keepalive ?? 0)
    packet.keepalive = 0
    packet.clean = true
    delete packet.will
    done(null, true)
  }

  /**
   * The client has its CONNACK: its messages go to the intake without the broker's parser between, which would copy them
   * once more and take most of the time of small ones.
   */
  ready(client: Client, stream: ClientStream, grant: Grant | undefined): void {
    stream.startTaking(publish => {
      if (grant?.mayPublish(publish.topic) !== true) return false
      this.intake.take(publish, stream)
      return true
    })
    const seconds = this.keepalives.get(client) ?? 0
    if (seconds === 0) return
    const signs = setInterval(() => stream.write(PINGRESP), (seconds * 1_000) / SIGNS)
    signs.unref()
    stream.once('close', () => clearInterval(signs))
  }
}
