import { AdmissionQueue } from '../admission-queue.js'
import { CreditWindow } from '../credit-window.js'
import { MillraceError } from '../errors.js'
import { type FrameIdentity } from '../frame.js'
import { Ledger, type LedgerEntry } from '../ledger.js'
import { Reorder } from '../reorder.js'
import { type Event, type Schedule, type SimulatedFrame } from './events.js'
import { type Losses } from './losses.js'
import { type SimulatorOptions } from './options.js'
import { type Outage } from './timeline.js'

export interface Sending {
  send(frame: SimulatedFrame, at: number): void
  /** Whether a frame that is sent now gets through, as far as is known. */
  isOpen(at: number): boolean
}

/** One stream through a dispatcher: its rules are those of `actors/dispatcher`, and it is made of the same parts. */
export class SimulatedDispatcher {
  readonly ledger = new Ledger()
  /** How each frame ended, in the order in which they did. */
  readonly entries: LedgerEntry[] = []
  private readonly window: CreditWindow
  private readonly queue: AdmissionQueue<SimulatedFrame>
  private readonly reorder: Reorder<SimulatedFrame>
  private readonly underWay = new Set<SimulatedFrame>()
  /** Lost, and no way is known to send them again. */
  private stranded: SimulatedFrame[] = []
  private sequence = 0
  /** Frames under way, times the ms that so many were. */
  private frameMs = 0
  private now = 0

  /** @param busy  as that of a `CreditWindow` */
  constructor(
    private readonly options: SimulatorOptions,
    busy: number,
    private readonly sending: Sending,
    private readonly losses: Losses,
    private readonly schedule: Schedule,
  ) {
    const { window, leastWindow = window, delivery, order, maxQueuedFrames } = options
    this.window = new CreditWindow({ least: Math.min(leastWindow, window), most: window, busy })
    const maxFrames = maxQueuedFrames ?? (delivery === 'freshest' ? 1 : 1_024)
    this.queue = new AdmissionQueue({ delivery, maxFrames, maxBytes: Infinity })
    this.reorder = new Reorder(order, 0)
    this.ledger.entries$.subscribe(entry => this.entries.push(entry))
  }

  /** All frames of the source have ended. */
  get isDone(): boolean {
    return this.entries.length === this.options.frames
  }

  /** In the mean over time. */
  get framesUnderWay(): number {
    return this.now === 0 ? 0 : this.frameMs / this.now
  }

  /** To be called before what happens at `now`. */
  advance(now: number): void {
    this.frameMs += this.underWay.size * (now - this.now)
    this.now = now
  }

  start(): void {
    if (this.options.everyMs === undefined) this.pump()
    else this.offer()
  }

  handle(event: Exclude<Event, { kind: 'arrival' }>): void {
    switch (event.kind) {
      case 'source':
        return this.offer()
      case 'result':
        return this.predict(event.frame)
      case 'lost':
        return this.replay(event.frame, event.outage)
      case 'change':
        return this.retry()
      case 'deadline':
        return this.expire(event.frame)
    }
  }

  /** The next frame of a source that is not held back. */
  private offer(): void {
    const { everyMs = 0, frames } = this.options
    const frame = this.admit()
    const { admitted, displaced } = this.queue.offer(frame, 0)
    if (!admitted) this.drop(frame, 'overrun')
    for (const old of displaced) this.drop(old, 'stale')
    if (this.sequence < frames) this.schedule(this.now + everyMs, { kind: 'source' })
    this.pump()
  }

  private predict(frame: SimulatedFrame): void {
    if (!this.underWay.delete(frame)) return this.ledger.duplicate()
    this.window.took(frame.sentAt, this.now, frame.ahead)
    this.losses.ended(frame.sequence, this.now)
    this.settle(frame.sequence, frame)
    this.pump()
  }

  private replay(frame: SimulatedFrame, outage: Outage | undefined): void {
    if (outage !== undefined) this.losses.add(frame.sequence, outage)
    if (this.underWay.has(frame)) this.send(frame)
  }

  /** What is suspected has changed. */
  private retry(): void {
    const frames = this.stranded
    this.stranded = []
    for (const frame of frames) if (this.underWay.has(frame)) this.send(frame)
  }

  private expire(frame: SimulatedFrame): void {
    if (this.queue.oldest === frame) this.queue.take()
    else if (!this.underWay.delete(frame)) return
    const late = new MillraceError(
      'FRAME_DEADLINE',
      `frame ${frame.sequence} had no result in ${this.options.deadlineMs} ms`,
    )
    this.ledger.failed(identityOf(frame), late.toInfo(), this.now)
    this.losses.ended(frame.sequence, this.now)
    this.settle(frame.sequence, undefined)
    this.pump()
  }

  /** Sends frames while the window has room. */
  private pump(): void {
    while (this.underWay.size < this.window.size) {
      const frame = this.queue.take() ?? this.pull()
      if (frame === undefined) return
      frame.ahead = this.underWay.size
      this.underWay.add(frame)
      this.send(frame)
    }
  }

  private pull(): SimulatedFrame | undefined {
    const { everyMs, frames } = this.options
    return everyMs === undefined && this.sequence < frames ? this.admit() : undefined
  }

  private admit(): SimulatedFrame {
    const frame = { sequence: this.sequence++, admittedAt: this.now, sentAt: this.now, ahead: 0 }
    this.ledger.admit(identityOf(frame), this.now)
    this.schedule(this.now + this.options.deadlineMs, { kind: 'deadline', frame })
    return frame
  }

  private send(frame: SimulatedFrame): void {
    if (!this.sending.isOpen(this.now)) return void this.stranded.push(frame)
    frame.sentAt = this.now
    this.sending.send(frame, this.now)
  }

  private drop(frame: SimulatedFrame, reason: string): void {
    this.ledger.dropped(identityOf(frame), reason, this.now)
    this.settle(frame.sequence, undefined)
  }

  private settle(sequence: number, frame: SimulatedFrame | undefined): void {
    for (const ready of this.reorder.settle(sequence, frame))
      this.ledger.predicted(identityOf(ready), this.now)
  }
}

function identityOf({ sequence }: SimulatedFrame): FrameIdentity {
  return { dispatcher: 'simulated', stream: 'simulated', sequence }
}
