import { type ExecutionContext } from 'ava'
import { Subject } from 'rxjs'
import { Dispatcher, type Prediction } from '../../actors/dispatcher/index.js'
import { type BusHandler } from '../../core/bus.js'
import { decodeEnvelope, encodeEnvelope } from '../../core/codec/index.js'
import { type Plan } from '../../core/control.js'
import { MillraceError } from '../../core/errors.js'
import { type Envelope, type FrameHeader } from '../../core/frame.js'
import { type LedgerEntry } from '../../core/ledger.js'
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
    lz4: false,
    links: 'auto',
    sampleError: 0,
    ...change,
  }
}

export interface Sent extends Envelope {
  readonly topic: string
}

/** A dispatcher on a link whose other end is the test. */
export class Desk {
  readonly sent: Sent[] = []
  readonly troubles: MillraceError[] = []
  readonly entries: LedgerEntry[] = []
  readonly predictions: Prediction[] = []
  readonly plan$ = new Subject<Plan>()
  readonly restored$ = new Subject<void>()
  /** What sending fails with. */
  broken: MillraceError | undefined
  private receive: BusHandler = () => {}
  private opened: Dispatcher | undefined

  static async open(t: ExecutionContext, plan = planOf(1)): Promise<Desk> {
    const desk = new Desk()
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
    const { header, tensors } = this.sentOf(sequence, stream)
    const timings = [{ stage: 0, queueMs: 0, codecMs: 0, runMs: 1, bytesIn: 100 }]
    const answered = change.error === undefined ? { y: tensors['x'] ?? row(0, 0) } : {}
    this.deliver(encodeEnvelope({ header: { ...header, stage: 1, timings, ...change }, tensors: answered }))
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
          this.sent.push({ topic, ...decodeEnvelope(message) })
        },
      }),
    }
    const { plan$, restored$ } = this
    const onTrouble = (error: MillraceError) => this.troubles.push(error)
    const parts = { id: 'door', pipeline: 'p', topics: TOPICS, link, plan$, restored$, onTrouble }
    this.opened = await Dispatcher.start(parts, plan)
    this.opened.ledger$.subscribe(entry => this.entries.push(entry))
    this.opened.predictions$.subscribe(prediction => this.predictions.push(prediction))
  }
}
