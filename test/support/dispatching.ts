import { type ExecutionContext } from 'ava'
import { Subject } from 'rxjs'
import { Dispatcher, type Epochs, type Prediction } from '../../actors/dispatcher/index.js'
import { type Time } from '../../actors/dispatcher/time.js'
import { type BusHandler } from '../../core/bus.js'
import { decodeEnvelope, encodeEnvelope } from '../../core/codec/index.js'
import { type Crash, type Plan } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type Envelope, type FrameHeader } from '../../core/frame.js'
import { type LedgerEntry } from '../../core/ledger.js'
import { type DispatcherJournal } from '../../core/journal.js'
import { type Link } from '../../core/link.js'
import { row, TOPICS } from './actors.js'

export const WINDOW = 3

/** A plan of one stage, for rows of two. */
export function planOf(epoch: number, change: Partial<Plan> = {}): Plan {
  const stage = {
    stage: 0,
    worker: 'w1',
    replica: 0,
    weight: 1,
    operators: 1,
    weightBytes: 0,
    outBytes: 8,
    computeMs: 1,
  }
  return {
    pipeline: 'p',
    deployment: 'd',
    term: 1,
    epoch,
    model: { sha256: '0'.repeat(64), bytes: 1, name: 'm' },
    inputs: [{ name: 'x', dtype: 'float32', dims: [1, 2] }],
    outputs: [{ name: 'y', dtype: 'float32', dims: [1, 2] }],
    stages: [{ ...stage, link: 'broker', inbox: { topic: TOPICS.data.stage('p', epoch, 0, 0) } }],
    window: WINDOW,
    lz4: 'never',
    links: 'auto',
    sampleError: 0,
    handover: 'replay',
    ...change,
  }
}

/** Time that goes by when the test says so. */
export class TestTime implements Time {
  private ms = 1_000_000
  private readonly acts = new Map<() => void, { readonly every: number; next: number }>()

  now(): number {
    return this.ms
  }

  every(ms: number, act: () => void): () => void {
    this.acts.set(act, { every: ms, next: this.ms + ms })
    return () => void this.acts.delete(act)
  }

  pass(ms: number): void {
    for (const end = this.ms + ms; this.ms < end;) {
      this.ms = Math.min(end, ...[...this.acts.values()].map(({ next }) => next))
      for (const [act, timer] of [...this.acts]) {
        if (timer.next > this.ms) continue
        timer.next += timer.every
        act()
      }
    }
  }
}

export interface Sent extends Envelope {
  readonly topic: string
}

/** A dispatcher on a link whose other end is the test. */
export class Desk {
  readonly sent: Sent[] = []
  readonly sent$ = new Subject<Sent>()
  readonly troubles: MillraceError[] = []
  readonly entries: LedgerEntry[] = []
  readonly predictions: Prediction[] = []
  readonly plan$ = new Subject<Plan>()
  readonly restored$ = new Subject<void>()
  readonly crash$ = new Subject<Crash>()
  readonly epochs: Epochs[] = []
  /** What sending fails with. */
  broken: MillraceError | undefined
  /** Whether what is sent goes on leaving for ever. */
  slow = false
  private crashes = 0
  private receive: BusHandler = () => {}
  private opened: Dispatcher | undefined

  private constructor(
    readonly time: TestTime | undefined,
    private readonly journal: DispatcherJournal | undefined,
  ) {}

  /** @param time  left out: the machine's */
  static async open(
    t: ExecutionContext,
    plan = planOf(1),
    time?: TestTime,
    journal?: DispatcherJournal,
  ): Promise<Desk> {
    const desk = new Desk(time, journal)
    await desk.start(plan)
    t.teardown(() => desk.dispatcher.close())
    return desk
  }

  get dispatcher(): Dispatcher {
    if (this.opened === undefined) throw new MillraceError('INTERNAL', 'not opened')
    return this.opened
  }

  /** Sequence numbers of what was sent. */
  get sequences(): number[] {
    return this.sent.map(({ header }) => header.sequence)
  }

  /** Stream, sequence number and end of each frame that has ended, in the order in which they did. */
  get ends(): string[] {
    return this.entries.map(entry => {
      const how =
        entry.end === 'dropped' ? ` ${entry.reason}` : entry.end === 'failed' ? ` ${entry.error.code}` : ''
      return `${entry.stream}/${entry.sequence} ${entry.end}${how}`
    })
  }

  /** The last message sent of a frame. */
  sentOf(sequence: number, stream?: string): Sent {
    const found = this.sent.findLast(
      ({ header }) => header.sequence === sequence && (stream === undefined || header.stream === stream),
    )
    if (found === undefined) throw new MillraceError('INTERNAL', `frame ${sequence} was not sent`)
    return found
  }

  /** Sends back what a stage would, `y` = `x`, or another header's. */
  answer(sequence: number, change: Partial<FrameHeader> = {}, stream?: string): void {
    this.answerTo(this.sentOf(sequence, stream), change)
  }

  answerTo({ header, tensors }: Sent, change: Partial<FrameHeader> = {}): void {
    const timings = [{ stage: 0, queueMs: 0, codecMs: 0, runMs: 1, bytesIn: 100 }]
    const answered = change.error === undefined ? { y: tensors['x'] ?? row(0, 0) } : {}
    this.deliver(encodeEnvelope({ header: { ...header, stage: 1, timings, ...change }, tensors: answered }))
  }

  /** A runtime ends while frames of these numbers are in its threads. */
  crash(sequences: readonly number[], change: Partial<Crash> = {}): void {
    const suspects = sequences.map(sequence => this.sentOf(sequence).header)
    const crash = ++this.crashes
    const epoch = this.sent.at(-1)?.header.epoch ?? 0
    const at = { pipeline: 'p', worker: 'w1', incarnation: 1 }
    this.crash$.next({ ...at, crash, epoch, suspects, others: 0, ...change })
  }

  fail(sequence: number): void {
    this.answer(sequence, { error: { code: 'INFERENCE_FAILED', message: 'bad luck' } })
  }

  deliver(payload: Uint8Array): void {
    const topic = TOPICS.data.results('p', 'door')
    this.receive({ topic, payload, owned: false, retained: false })
  }

  private async start(plan: Plan): Promise<void> {
    const link: Link = {
      listen: async (_address, handler) => {
        this.receive = handler
        return { close: async () => {}, hold: () => {}, release: () => {} }
      },
      open: ({ topic }) => ({
        settled: Promise.resolve('broker' as const),
        way: 'broker' as const,
        close: async () => {},
        send: async message => {
          if (this.broken !== undefined) throw this.broken
          const sent = { topic, ...decodeEnvelope(message) }
          this.sent.push(sent)
          this.sent$.next(sent)
          if (this.slow) await new Promise(() => {})
        },
      }),
    }
    const { plan$, restored$, crash$, journal } = this
    const onTrouble = (error: MillraceError) => this.troubles.push(error)
    const own = { id: journal?.id ?? 'door', journal }
    const parts = { ...own, pipeline: 'p', topics: TOPICS, link, plan$, restored$, crash$, onTrouble }
    const time = this.time === undefined ? {} : { time: this.time }
    this.opened = await Dispatcher.start({ ...parts, ...time }, plan)
    this.opened.epochs$.subscribe(epochs => this.epochs.push(epochs))
    this.opened.ledger$.subscribe(entry => this.entries.push(entry))
    this.opened.predictions$.subscribe(prediction => this.predictions.push(prediction))
  }
}
