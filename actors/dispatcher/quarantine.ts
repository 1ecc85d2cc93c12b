import { type Crash } from '../../core/control/index.js'
import { type InFlight, type SentFrame } from './in-flight.js'

/** A frame that was in so many crashes is given up, also where another was beside it each time. */
const MOST_CRASHES = 4
/** Dispatchers with a suspect of the same crash let each other go first, in the order in which it names them. */
const TURN_MS = 5_000

interface Suspect {
  /** The crashes that named it. */
  readonly crashes: string[]
  /** Beside others, as it was sent; held back; or on its way with no other of this dispatcher. */
  state: 'among others' | 'held' | 'alone'
  /** When it may be sent alone, in the dispatcher's time. */
  notBefore: number
}

/**
 * The frames that were in a session's thread when its process crashed. Each is sent again when nothing else of the
 * dispatcher is under way, so that a second crash names one frame: that one is poisonous (promise 6), and those that were
 * beside it are not. Meanwhile no other frame enters the window.
 */
export class Quarantine {
  private readonly suspects = new Map<SentFrame, Suspect>()

  get active(): boolean {
    return this.suspects.size > 0
  }

  /**
   * `crash` names `sent`.
   * @returns whether it is to be given up
   */
  accuse(sent: SentFrame, crash: Crash, now: number): boolean {
    const key = `${crash.worker}/${crash.incarnation}/${crash.crash}`
    const suspect = this.suspects.get(sent) ?? { crashes: [], state: 'among others', notBefore: now }
    if (suspect.crashes.includes(key)) return false
    suspect.crashes.push(key)
    this.suspects.set(sent, suspect)
    const { length } = suspect.crashes
    const only = crash.suspects.length + crash.others === 1
    if (length >= MOST_CRASHES || (length > 1 && only)) return true
    // A copy under a newer epoch is on its way elsewhere.
    if (sent.epoch === undefined || sent.epoch === crash.epoch) suspect.state = 'held'
    suspect.notBefore = now + turnOf(sent.identity.dispatcher, crash) * TURN_MS
    return false
  }

  /** Holds `sent` back where it is to be sent alone. @returns whether it does */
  hold(sent: SentFrame): boolean {
    const suspect = this.suspects.get(sent)
    if (suspect?.state === 'among others') suspect.state = 'held'
    return suspect?.state === 'held'
  }

  isHeld(sent: SentFrame): boolean {
    return this.suspects.get(sent)?.state === 'held'
  }

  /** The suspect that is to be sent now, if it is time for one. */
  release(underWay: InFlight, now: number): SentFrame | undefined {
    if (!this.active || underWay.all().some(sent => !this.isHeld(sent))) return undefined
    for (const [sent, suspect] of this.suspects) {
      if (suspect.notBefore > now) continue
      suspect.state = 'alone'
      return sent
    }
    return undefined
  }

  end(sent: SentFrame): void {
    this.suspects.delete(sent)
  }
}

function turnOf(dispatcher: string, { suspects }: Crash): number {
  return [...new Set(suspects.map(suspect => suspect.dispatcher))].indexOf(dispatcher)
}
