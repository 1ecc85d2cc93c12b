import { type Bus } from './bus.js'
import { type ProbeTarget, type ProbeUser } from './control/index.js'

/** A runtime's part in measuring the links between runtimes. */
export interface PeerProbes {
  /** Lets these measure their links to its inbox, and those no more that it let in for that before. */
  accept(users: readonly ProbeUser[]): void
  /**
   * A connection to the inbox of a peer, on which large messages leave in one piece.
   * @throws BROKER_UNREACHABLE; BROKER_REFUSED: the peer does not know the credentials
   */
  connect(target: ProbeTarget): Promise<Bus>
}
