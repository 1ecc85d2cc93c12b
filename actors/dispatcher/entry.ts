import { encodeEnvelope } from '../../core/codec/index.js'
import { type Plan } from '../../core/control/index.js'
import { CreditWindow } from '../../core/credit-window.js'
import { MillraceError } from '../../core/errors.js'
import { FanOut } from '../../core/fan-out.js'
import { type Link } from '../../core/link.js'
import { type SentFrame } from './in-flight.js'

/** One that runs, and one that is on its way there. */
const LEAST_FRESH = 2

/** The way into a pipeline under one plan: the replicas of its first stage, its epoch, and how many frames may be under way. */
export class Entry {
  private readonly window: CreditWindow
  private readonly first: FanOut
  private newestAnswered = -Infinity
  private turns = 0

  /** @throws PIPELINE_FAILED: the plan has no first stage */
  constructor(
    readonly plan: Plan,
    link: Link,
  ) {
    const first = plan.stages.filter(({ stage }) => stage === 0)
    if (first.length === 0) throw new MillraceError('PIPELINE_FAILED', 'the plan has no first stage')
    const { window, leastWindow } = plan
    // One that was asked for is as it was asked for.
    const found = leastWindow === undefined ? {} : { fresh: Math.max(LEAST_FRESH, plan.stages.length) }
    const bounds = { least: Math.min(leastWindow ?? window, window), most: window, busy: busyOf(plan) }
    this.window = new CreditWindow({ ...bounds, ...found })
    this.first = new FanOut(
      link,
      0,
      first.map(({ inbox, weight }) => ({ ...inbox, weight })),
    )
  }

  get epoch(): number {
    return this.plan.epoch
  }

  /** Frames that may be under way. */
  get credits(): number {
    return this.window.size
  }

  /** Of the next frame, by which replicas take turns: how many have taken this way before it. */
  nextTurn(): number {
    return this.turns++
  }

  /** How many of them may be of streams that want their newest frames. */
  get freshCredits(): number {
    return this.window.fresh
  }

  /**
   * Resolves when the frame has left.
   * @returns what the frame is to fail with: its tensors are still the source's, which may have changed them
   */
  send(sent: SentFrame): Promise<void> | MillraceError {
    const message = this.messageOf(sent)
    if (message instanceof MillraceError) return message
    return this.first.send(sent.turn, message)
  }

  /** A frame's prediction has come. Of which copy it is, nobody knows: one of several says nothing about the way. */
  answered({ sentAt, copies, ahead }: SentFrame, now: number): void {
    if (copies === 1) this.window.took(sentAt, now, ahead)
    this.newestAnswered = Math.max(this.newestAnswered, sentAt)
  }

  /** Whether a prediction has come of a frame that was sent later, so that this one is late. */
  hasOvertaken({ sentAt }: SentFrame): boolean {
    return sentAt < this.newestAnswered
  }

  /** Another plan is in force. Frames that are leaving may be lost: they are sent again under that. */
  async close(): Promise<void> {
    await this.first.close()
  }

  private messageOf({ frame, identity, turn, tensors = {} }: SentFrame): Uint8Array | MillraceError {
    const { epoch, lz4 } = this.plan
    const { dispatcher, stream, sequence } = identity
    // A spread would leave more than a kilobyte for a full collection, each time.
    const header = {
      dispatcher,
      stream,
      sequence,
      epoch,
      stage: 0,
      turn,
      admittedAt: frame.admittedAt,
      timings: [],
    }
    try {
      return encodeEnvelope({ header, tensors }, { lz4: lz4 === 'always' })
    } catch (error) {
      return MillraceError.from(error, 'TENSOR_INVALID')
    }
  }
}

/** As many parts of the way as would be busy all the time were they as slow as the slowest. */
function busyOf({ predicted, stages }: Plan): number {
  if (predicted === undefined || predicted.bottleneckMs === 0) return stages.length
  return predicted.latencyMs / predicted.bottleneckMs
}
