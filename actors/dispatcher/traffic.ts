import { BehaviorSubject } from 'rxjs'
import { type BusMessage } from '../../core/bus.js'
import { decodeEnvelope, decodeHeader } from '../../core/codec/index.js'
import { type Crash, type Plan } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type FrameHeader, type FrameIdentity, identityKey } from '../../core/frame.js'
import { type Link } from '../../core/link.js'
import { checkFrame, type FrameInput } from './check-frame.js'
import { Entries, type Epochs } from './entries.js'
import { InFlight, type SentFrame } from './in-flight.js'
import { type Prediction, predictionOf } from './prediction.js'
import { Quarantine } from './quarantine.js'
import { mayRetry, Retries } from './retries.js'
import { type QueuedFrame } from './stream-flow.js'
import { type Turn } from './streams.js'

export interface TrafficParts {
  /** Id of the dispatcher. */
  readonly id: string
  readonly link: Link
  /** In ms; never goes back. */
  readonly now: () => number
  /** The next frame to be sent. */
  readonly takeNext: () => Turn | undefined
  /** Each frame ends with one of these two. */
  readonly predicted: (sent: SentFrame, prediction: Prediction) => void
  readonly failed: (sent: SentFrame, error: MillraceError) => void
  /** A result came for a frame that has ended. */
  readonly duplicate: () => void
  /** A plan has come into force; nothing has been sent under it yet. */
  readonly adopted: (plan: Plan) => void
  /** There may be room for further frames. */
  readonly moved: () => void
  readonly onTrouble: (error: MillraceError) => void
}

/**
 * The frames under way: at most a window of them (promise 8), each held until it has ended, and sent again where a change
 * of plan, a broken link or a crash may have lost it (promise 5). The first result under the epoch that a frame was last
 * sent under ends it (promises 4, 7).
 */
export class Traffic {
  /** The current one first, then each change. */
  readonly epochs$: BehaviorSubject<Epochs>
  private readonly inFlight = new InFlight()
  private readonly retries = new Retries()
  private readonly quarantine = new Quarantine()
  private readonly entries: Entries
  private closed = false

  constructor(
    plan: Plan,
    private readonly parts: TrafficParts,
  ) {
    this.entries = new Entries(plan, parts.link)
    this.epochs$ = new BehaviorSubject(this.entries.epochs)
  }

  get plan(): Plan {
    return this.entries.plan
  }

  /** Whether a further frame would be sent at once, behind so many that wait already. */
  hasRoom(waiting: number): boolean {
    return this.entries.hasRoom(this.inFlight, waiting)
  }

  /** The same for streams that want their newest frames: one that is sent to wait on its way is stale when it comes. */
  get hasFreshRoom(): boolean {
    return this.inFlight.fresh < this.entries.freshCredits
  }

  /** Sends what waits while there is room, one stream after the other; a frame that is to be alone goes alone. */
  pump(): void {
    while (!this.closed && !this.quarantine.active && this.hasRoom(0)) {
      const next = this.parts.takeNext()
      if (next === undefined) break
      this.launch(this.inFlight.begin(next.queued, next.flow), next.queued)
    }
    const suspect = this.quarantine.release(this.inFlight, this.parts.now())
    if (suspect !== undefined) this.transmit(Object.assign(suspect, { retries: 0 }))
    this.parts.moved()
    this.tell()
  }

  receive({ payload, owned }: BusMessage): void {
    try {
      const header = decodeHeader(payload)
      const sent = this.inFlight.get(identityKey(header))
      if (sent === undefined) return this.receiveAgain(header)
      if (header.epoch !== sent.epoch) return
      if (header.error !== undefined) return this.fault(sent, MillraceError.fromInfo(header.error))
      this.take(sent, payload, owned)
    } catch (error) {
      this.parts.onTrouble(MillraceError.from(error, 'ENVELOPE_INVALID'))
    }
  }

  /** A result that was damaged on its way has a frame that can be sent again. */
  private take(sent: SentFrame, payload: Uint8Array, owned: boolean): void {
    try {
      const envelope = decodeEnvelope(owned ? payload : new Uint8Array(payload))
      const { model } = this.entries.under(sent.epoch)?.plan ?? this.plan
      this.predict(sent, predictionOf(envelope, model, payload.byteLength, Date.now()))
    } catch (error) {
      const failure = MillraceError.from(error, 'ENVELOPE_INVALID')
      if (failure.code === 'ENVELOPE_CORRUPT') this.fault(sent, failure)
      else this.parts.onTrouble(failure)
    }
  }

  /** Frames under way start anew, or stay where they are for a while, as the plan says. */
  adopt(plan: Plan): void {
    const left = this.entries.adopt(plan, this.parts.now())
    if (left === undefined) return
    this.parts.adopted(plan)
    this.sendAgain(left)
    this.pump()
  }

  /** Sends all that is under way again, under the plan in force. */
  replay(): void {
    for (const sent of this.inFlight.all()) this.send(sent)
    this.pump()
  }

  /** The frames that were in a crashed process are sent again one by one; one that is there again is given up. */
  crashed(crash: Crash): void {
    const { id, now } = this.parts
    for (const suspect of crash.suspects) {
      const sent = suspect.dispatcher === id ? this.inFlight.get(identityKey(suspect)) : undefined
      // Should another version be at fault, the one in force does not crash.
      if (sent !== undefined && this.entries.isTried(sent)) sent.keepsToMain = true
      if (sent !== undefined && this.quarantine.accuse(sent, crash, now())) {
        this.fail(sent, poisonous(sent, crash))
      }
    }
    this.pump()
  }

  /** To be called again and again: what has become late, and what has had its time. */
  check(): void {
    const now = this.parts.now()
    for (const sent of this.inFlight.expired(Date.now())) {
      this.fail(sent, sent.flow.late(sent.identity.sequence))
    }
    this.sendAgain(this.entries.giveUp(now))
    const underWay = this.inFlight.all().filter(sent => !this.quarantine.isHeld(sent))
    const isOvertaken = (sent: SentFrame) => this.entries.under(sent.epoch)?.hasOvertaken(sent) ?? false
    for (const sent of this.retries.due(underWay, now, isOvertaken)) this.retry(sent)
    this.pump()
  }

  /** Ends all frames of a stream. */
  drop(stream: string): FrameIdentity[] {
    const dropped = this.inFlight.ofStream(stream)
    for (const sent of dropped) this.end(sent)
    return dropped.map(({ identity }) => identity)
  }

  /** Ends all frames. */
  close(): FrameIdentity[] {
    this.closed = true
    const left = this.inFlight.all()
    for (const sent of left) this.end(sent)
    this.entries.close()
    this.epochs$.complete()
    return left.map(({ identity }) => identity)
  }

  private launch(sent: SentFrame, { load }: QueuedFrame): void {
    if (load === undefined) return this.transmit(sent)
    const loaded = Promise.resolve().then(load)
    loaded
      .then(input => this.fill(sent, input))
      .catch((error: unknown) => this.fail(sent, MillraceError.from(error)))
  }

  /** The plan may have changed, and the frame may have ended, while its tensors were made. */
  private fill(sent: SentFrame, input: FrameInput): void {
    if (this.inFlight.get(sent.key) !== sent) return
    sent.tensors = checkFrame(input, this.plan.inputs)
    this.transmit(sent)
  }

  private sendAgain(epochs: readonly number[]): void {
    for (const sent of this.inFlight.all()) {
      if (sent.epoch === undefined || !epochs.includes(sent.epoch)) continue
      sent.epoch = undefined
      this.send(sent)
    }
  }

  private retry(sent: SentFrame): void {
    this.send(sent)
    sent.retries++
  }

  /** Once more, unless its tensors are still being made, or it waits to be sent alone. */
  private send(sent: SentFrame): void {
    if (sent.tensors !== undefined && !this.quarantine.hold(sent)) this.transmit(sent)
  }

  private transmit(sent: SentFrame): void {
    const way = this.entries.wayOf(sent)
    const { now, onTrouble } = this.parts
    const { epoch } = way
    if (sent.epoch !== epoch) {
      sent.epoch = epoch
      sent.turn = way.nextTurn()
      sent.sentAt = now()
      sent.copies = 0
      sent.retries = 0
    }
    const copy = ++sent.copies
    sent.leftAt = undefined
    const leaving = way.send(sent)
    if (leaving instanceof MillraceError) return this.fail(sent, leaving)
    const left = () => {
      if (sent.epoch === epoch && sent.copies === copy) sent.leftAt = now()
    }
    leaving.catch((error: unknown) => onTrouble(MillraceError.from(error))).finally(left)
  }

  private receiveAgain({ epoch }: FrameHeader): void {
    if (this.entries.under(epoch) === undefined) return
    this.retries.needless()
    this.parts.duplicate()
  }

  private predict(sent: SentFrame, prediction: Prediction): void {
    const now = this.parts.now()
    this.entries.under(sent.epoch)?.answered(sent, now)
    this.retries.answered(sent, now)
    this.end(sent)
    this.parts.predicted(sent, prediction)
    this.pump()
  }

  /** What is wrong with the place and not with the frame may be right when it comes again. */
  private fault(sent: SentFrame, error: MillraceError): void {
    const full = error.code === 'INBOX_FULL' && sent.copies > 1
    if (!error.retryable || !(full || mayRetry(sent))) return this.giveUp(sent, error)
    this.parts.onTrouble(error)
    // Of this copy nothing more will come, and the way was free: there is nothing to wait for.
    if (error.code === 'ENVELOPE_CORRUPT') this.retry(sent)
  }

  /** A version that is tried costs no frame: the one in force may do what it cannot. */
  private giveUp(sent: SentFrame, error: MillraceError): void {
    if (!this.entries.isTried(sent)) return this.fail(sent, error)
    this.parts.onTrouble(error)
    sent.keepsToMain = true
    this.send(sent)
  }

  /** Nothing for a frame that has ended, as all of a stream do when one ends it. */
  private fail(sent: SentFrame, error: MillraceError): void {
    if (!this.end(sent)) return
    this.parts.failed(sent, error)
    this.pump()
  }

  private end(sent: SentFrame): boolean {
    this.quarantine.end(sent)
    return this.inFlight.end(sent.key)
  }

  private tell(): void {
    this.entries.settle(this.inFlight)
    const { epochs } = this.entries
    const same = JSON.stringify(this.epochs$.value) === JSON.stringify(epochs)
    if (!same && !this.closed) this.epochs$.next(epochs)
  }
}

function poisonous({ identity: { stream, sequence } }: SentFrame, { worker }: Crash): MillraceError {
  return new MillraceError(
    'FRAME_POISONOUS',
    `frame ${stream}/${sequence} was in the process that runs a stage each time that it crashed, last on '${worker}'`,
  )
}
