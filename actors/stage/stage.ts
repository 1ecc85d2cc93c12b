import { concatMap, from, groupBy, lastValueFrom, mergeMap, type Observable, Subject } from 'rxjs'
import { type BusMessage } from '../../core/bus.js'
import { decodeHeader, encodeEnvelope } from '../../core/codec/index.js'
import { type Activation, type ActorProgress } from '../../core/control/index.js'
import { type ErrorCode, MillraceError } from '../../core/errors.js'
import { FanOut } from '../../core/fan-out.js'
import { type FrameHeader, type FrameIdentity } from '../../core/frame.js'
import { Lz4Choice } from '../../core/lz4-choice.js'
import { type Inlet, type Link, type LinkKind, type Outlet } from '../../core/link.js'
import { type Topics } from '../../core/topics.js'
import { type FrameSession, type SessionPool, wallClock } from '../session/index.js'

/** The lane of what goes to dispatchers; others are replicas of the next stage. */
const RESULTS_LANE = -1
/** Frames that the session's thread may hold: one that runs, and the next, so that it never waits for this thread. */
const IN_THREAD = 2

/** What a model says that does not take what was made up for it. */
const NOT_TAKEN: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['INFERENCE_FAILED', 'WIRE_OVERFLOW'])

export interface StageParts {
  readonly link: Link
  readonly topics: Topics
  readonly sessions: Pick<SessionPool, 'open'>
  /** Aborted when the stage is not wanted before it is active: it waits for the next one no longer. */
  readonly signal?: AbortSignal
  /** Told of a frame that is about to be handed to the session's thread. @returns to be called when it has left that */
  readonly onEnter?: (frame: FrameIdentity) => () => void
  /** Told of what the stage could not do and goes on without: a message that is none, a send that failed. */
  readonly onTrouble: (error: MillraceError) => void
}

interface Arrival {
  readonly header: FrameHeader
  readonly message: Uint8Array<ArrayBuffer>
  readonly arrivedAt: number
}

interface Departure {
  readonly header: FrameHeader
  readonly message: Uint8Array
  readonly failed: boolean
}

/**
 * The actor of one partition: takes frames from its inbox, runs them in its session's thread, and sends what comes out
 * to a replica of the next stage, or to the frame's dispatcher. It keeps nothing between frames.
 */
export class Stage {
  private readonly arrivals = new Subject<Arrival>()
  /** Settles when all that was taken has left. */
  private readonly drained: Promise<void>
  private inbox: Inlet | undefined
  private holding = false
  private stopping = false
  private waiting = 0
  private running = 0
  private frames = 0
  private failures = 0
  private runMs = 0
  private bytesIn = 0
  private bytesOut = 0
  private readonly lz4: Lz4Choice

  private constructor(
    private readonly activation: Activation,
    private readonly session: FrameSession,
    private readonly next: FanOut | undefined,
    private readonly parts: StageParts,
  ) {
    this.lz4 = new Lz4Choice(activation.lz4)
    this.drained = lastValueFrom(this.departures(), { defaultValue: undefined })
  }

  /**
   * @param model  path of the partition's ONNX file
   * @throws MODEL_UNSUPPORTED, MODEL_INVALID, ACTIVATION_FAILED, BUS_DISCONNECTED, LINK_UNREACHABLE
   */
  static async activate(activation: Activation, model: string, parts: StageParts): Promise<Stage> {
    const { carries, sends, decodes, encodes } = activation
    // First, so that the way to the next stage is found while the session loads.
    const next =
      activation.next === undefined
        ? undefined
        : new FanOut(parts.link, activation.stage + 1, activation.next)
    const session = await parts.sessions
      .open({ model, handover: { carries, sends, decodes, encodes } })
      .catch(async (error: unknown) => {
        await next?.close()
        throw error
      })
    const stage = new Stage(activation, session, next, parts)
    const giveUp = () => void next?.close()
    parts.signal?.addEventListener('abort', giveUp)
    try {
      stage.inbox = await parts.link.listen(activation.inbox, message => stage.receive(message))
      if (parts.signal?.aborted === true) giveUp()
      await stage.next?.settled
      return stage
    } catch (error) {
      await stage.passivate()
      throw error
    } finally {
      parts.signal?.removeEventListener('abort', giveUp)
    }
  }

  /** Which way its frames go on first; results go through the cluster's broker. */
  get link(): Promise<LinkKind> {
    return this.next?.settled ?? Promise.resolve('broker' as const)
  }

  /**
   * How long a run takes here, in ms; undefined where that is not asked for, or where the model does not take what is made
   * up for it.
   * @throws STOPPED, RUNTIME_CRASHED
   */
  async rehearse(): Promise<number | undefined> {
    const { rehearse } = this.activation
    if (rehearse === undefined) return undefined
    return this.session.rehearse(rehearse).catch((error: unknown) => {
      if (error instanceof MillraceError && NOT_TAKEN.has(error.code)) return undefined
      throw error
    })
  }

  progress(): ActorProgress {
    const { pipeline, epoch, stage, replica } = this.activation
    const { frames, failures, waiting, running, runMs, bytesIn, bytesOut } = this
    const link = this.next?.way ?? 'broker'
    const deliveries = this.next?.deliveries ?? []
    const counts = { frames, failures, waiting, running, runMs, bytesIn, bytesOut }
    const measured = deliveries.length === 0 ? {} : { deliveries }
    const packed = this.lz4.compresses ? { lz4: true, packed: this.lz4.left } : {}
    return { pipeline, epoch, stage, replica, ...counts, link, ...packed, ...measured }
  }

  /**
   * Takes no more frames, lets those in the session's thread end and leave, and gives its session up. Those that still
   * wait are left to their dispatchers, which send them again under the next epoch.
   */
  async passivate(): Promise<void> {
    this.stopping = true
    await this.inbox?.close().catch(() => undefined)
    this.arrivals.complete()
    await this.drained
    await this.next?.close()
    await this.session.close()
  }

  private departures(): Observable<void> {
    return this.arrivals.pipe(
      mergeMap(arrival => this.process(arrival), IN_THREAD),
      groupBy(departure => this.laneOf(departure)),
      mergeMap(lane => lane.pipe(concatMap(departure => from(this.depart(departure))))),
    )
  }

  /** Frames of one lane leave one after the other, and wait for none of another. */
  private laneOf(departure: Departure | undefined): number {
    const { next } = this
    return departure === undefined || departure.failed || next === undefined
      ? RESULTS_LANE
      : next.replicaOf(departure.header.turn)
  }

  private receive({ payload, owned }: BusMessage): void {
    const header = this.headerOf(payload)
    if (header === undefined) return
    this.bytesIn += payload.byteLength
    if (this.waiting >= this.activation.inboxFrames) {
      this.refuse(header)
      return
    }
    this.waiting++
    this.regulate()
    const message =
      owned && payload.buffer instanceof ArrayBuffer
        ? (payload as Uint8Array<ArrayBuffer>)
        : new Uint8Array(payload)
    this.arrivals.next({ header, message, arrivedAt: wallClock() })
  }

  /** The header of a frame of this epoch and stage; others change nothing (promise 7). */
  private headerOf(payload: Uint8Array): FrameHeader | undefined {
    try {
      const header = decodeHeader(payload)
      const { epoch, stage } = this.activation
      return header.epoch === epoch && header.stage === stage ? header : undefined
    } catch (error) {
      this.parts.onTrouble(MillraceError.from(error, 'ENVELOPE_INVALID'))
      return undefined
    }
  }

  private async process({ header, message, arrivedAt }: Arrival): Promise<Departure | undefined> {
    if (this.stopping) return undefined
    const leave = this.parts.onEnter?.(header)
    this.running++
    try {
      const lz4 = this.lz4.next(this.next?.slowestMbps)
      const result = await this.session.process(message, header, arrivedAt, lz4)
      this.runMs += result.runMs
      if (result.packing !== undefined) this.lz4.packed(result.packing)
      return { header, message: result.message, failed: result.failed }
    } catch (error) {
      const failure = MillraceError.from(error)
      this.parts.onTrouble(failure)
      return failed(header, failure)
    } finally {
      this.running--
      leave?.()
    }
  }

  /** Credits bound what waits; behind them, senders that go beyond what one dispatcher may have under way are held. */
  private regulate(): void {
    const { inboxFrames } = this.activation
    const hold = this.waiting >= (this.holding ? inboxFrames / 4 : inboxFrames / 2)
    if (hold === this.holding) return
    this.holding = hold
    if (hold) this.inbox?.hold()
    else this.inbox?.release()
  }

  /** A frame waits until it has left: one that its replica of the next stage does not take yet holds those behind it too. */
  private async depart(departure: Departure | undefined): Promise<void> {
    if (departure !== undefined) await this.send(this.count(departure))
    this.waiting--
    this.regulate()
  }

  private count(departure: Departure): Departure {
    if (departure.failed) this.failures++
    else this.frames++
    return departure
  }

  private async send({ header, message, failed }: Departure): Promise<void> {
    try {
      // Sent by reference, it may be the receiver's already afterwards.
      this.bytesOut += message.byteLength
      if (failed || this.next === undefined) await this.outletOf(header).send(message)
      else await this.next.send(header.turn, message)
    } catch (error) {
      this.parts.onTrouble(MillraceError.from(error))
    }
  }

  private outletOf({ dispatcher }: FrameHeader): Outlet {
    const { link, topics } = this.parts
    return link.open({ topic: topics.data.results(this.activation.pipeline, dispatcher) })
  }

  private refuse(header: FrameHeader): void {
    const { stage, inboxFrames } = this.activation
    const error = new MillraceError('INBOX_FULL', `stage ${stage} holds ${inboxFrames} frames already`)
    void this.send(this.count(failed(header, error)))
  }
}

/** A frame as its own error, for its dispatcher. */
function failed(header: FrameHeader, error: MillraceError): Departure {
  const message = encodeEnvelope({ header: { ...header, error: error.toInfo() }, tensors: {} })
  return { header, message, failed: true }
}
