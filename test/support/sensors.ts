import { type ExecutionContext } from 'ava'
import { filter, map, NEVER, type Observable, take, toArray } from 'rxjs'
import { Ingress, ingressOptions, type IngressOptionsInput } from '../../actors/ingress/index.js'
import { type Bus, type BusMessage } from '../../core/bus.js'
import { decodeEnvelope, encodeEnvelope } from '../../core/codec/index.js'
import { encodeControl, type Plan } from '../../core/control/index.js'
import { type ErrorCode } from '../../core/errors.js'
import { type Envelope } from '../../core/frame.js'
import { brokerLink } from '../../core/link.js'
import { parseOptions } from '../../core/options.js'
import { IMAGE_DEFAULTS, type SensorSettings } from '../../core/sensing/index.js'
import { type Tensors } from '../../core/tensor.js'
import { listen, testBroker, TOPICS, until } from './actors.js'
import { planOf } from './dispatching.js'

/** A line on an out topic. */
export interface Line {
  readonly topic: string
  readonly frameId?: string
  readonly stream: string
  readonly sequence?: number
  readonly ageMs: number
  readonly epoch?: number
  readonly top?: readonly { readonly class: number; readonly score: number }[]
  readonly outputs?: Readonly<
    Record<string, { dtype: string; dims: number[]; data?: unknown[]; omitted?: string }>
  >
  readonly error?: { readonly code: ErrorCode; readonly message: string }
  readonly dropped?: string
}

const utf8 = new TextEncoder()
const utf16 = new TextDecoder()

/** An ingress between sensors and a pipeline, both of which are the test; the pipeline is `p`, with rows of two. */
export class SensorBench {
  /** Frames that the pipeline was sent, in order. */
  readonly sent: Envelope[] = []
  readonly troubles: string[] = []
  readonly lines$: Observable<Line>
  readonly raw$: Observable<Uint8Array>
  /** Whether frames are answered as they come. */
  answering = true
  private ingresses: Ingress[] = []
  /** Of the last ingress. */
  private readonly seen = new Set<string>()

  private constructor(
    readonly bus: Bus,
    out$: Observable<BusMessage>,
    private readonly connect: (clientId: string) => Promise<Bus>,
  ) {
    const isRaw = ({ topic }: BusMessage) => topic.endsWith('/raw')
    this.raw$ = out$.pipe(
      filter(isRaw),
      map(({ payload }) => payload),
    )
    this.lines$ = out$.pipe(
      filter(message => !isRaw(message)),
      map(({ topic, payload }) => ({ topic, ...(JSON.parse(utf16.decode(payload)) as Omit<Line, 'topic'>) })),
    )
  }

  static async open(
    t: ExecutionContext,
    options: IngressOptionsInput = {},
    plan?: Plan,
  ): Promise<SensorBench> {
    const { connect } = await testBroker(t)
    const bus = await connect('test')
    const bench = new SensorBench(bus, await listen(bus, `${TOPICS.root}/out/#`), connect)
    await bus.subscribe(`${TOPICS.root}/data/p/+/0/0`, ({ payload }) => {
      bench.take(decodeEnvelope(new Uint8Array(payload)))
    })
    t.teardown(() => bench.ingress.stop())
    await bench.startIngress(options)
    if (plan !== undefined) await bench.deploy(plan)
    return bench
  }

  /** On a busy machine a frame may be sent again before it is answered: once is enough here. */
  private take(envelope: Envelope): void {
    const { stream, sequence, epoch } = envelope.header
    const key = `${epoch}/${stream}/${sequence}`
    if (this.seen.has(key)) return
    this.seen.add(key)
    this.sent.push(envelope)
    if (this.answering) void this.answer(this.sent.length - 1)
  }

  /** The one that was started last. */
  get ingress(): Ingress {
    const ingress = this.ingresses.at(-1)
    if (ingress === undefined) throw new Error('there is no ingress')
    return ingress
  }

  async startIngress(options: IngressOptionsInput = {}): Promise<void> {
    const number = this.ingresses.length
    this.seen.clear()
    const open = (what: string) => this.connect(`ingress-${number}-${what}`)
    const [control, sensors, data] = [await open('control'), await open('sensors'), await open('data')]
    const link = brokerLink(data, { sendTimeoutMs: 5_000 })
    const onTrouble = (error: Error) => this.troubles.push(error.message)
    const parts = { id: 'ingress', topics: TOPICS, control, sensors, link, restored$: NEVER, onTrouble }
    const given = parseOptions(ingressOptions, { unknownWaitMs: 1, ...options }, 'test')
    this.ingresses.push(await Ingress.start(parts, given))
  }

  /** Resolves when the ingress knows of it. */
  async deploy(plan: Plan): Promise<void> {
    await this.publishPlan(plan)
    while (this.ingress.counts().pipelines[plan.pipeline] === undefined) await turn()
  }

  async publishPlan(plan: Plan): Promise<void> {
    await this.bus.publish(TOPICS.pipeline.plan(plan.pipeline), encodeControl(plan), { qos: 1, retain: true })
  }

  /** Publishes frames until the ingress has taken up the plan of this epoch. */
  async predictedIn(epoch: number, frame: number[] = [0, 0]): Promise<void> {
    for (let last: Line | undefined; last?.epoch !== epoch;) {
      const sequence = last?.sequence === undefined ? 0 : last.sequence + 1
      await this.publish('probe/json', frame)
      last = await this.line(line => line.stream === 'probe' && line.sequence === sequence)
    }
  }

  async undeploy(pipeline: string): Promise<void> {
    await this.bus.publish(TOPICS.pipeline.plan(pipeline), new Uint8Array(), { qos: 1, retain: true })
  }

  /** @param where  what comes after the topic of the pipeline's frames: stream, format, frame id */
  async publish(where: string, payload: Uint8Array | string | object, pipeline = 'p'): Promise<void> {
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
    const bytes = payload instanceof Uint8Array ? payload : utf8.encode(text)
    await this.bus.publish(`${TOPICS.root}/in/${pipeline}/${where}`, bytes, { qos: 1 })
  }

  /** The first lines that come, or have come, and for which `test` holds. */
  lines(count: number, test: (line: Line) => boolean = () => true): Promise<Line[]> {
    return until(this.lines$.pipe(filter(test), take(count), toArray()))
  }

  async line(test: (line: Line) => boolean = () => true): Promise<Line> {
    return until(this.lines$, test)
  }

  /** Resolves when so many frames have reached the pipeline. */
  async reached(count: number): Promise<void> {
    while (this.sent.length < count) await turn()
  }

  /** Answers the frame that was sent as number `index`, with `y` = `x` unless told otherwise. */
  async answer(index: number, outputs?: Tensors): Promise<void> {
    const envelope = this.sent[index]
    if (envelope === undefined) throw new Error(`no frame ${index}`)
    const { header, tensors } = envelope
    const given = outputs ?? Object.fromEntries(Object.values(tensors).map(tensor => ['y', tensor]))
    const timings = [{ stage: 0, queueMs: 0, codecMs: 0, runMs: 1, bytesIn: 1 }]
    const message = encodeEnvelope({ header: { ...header, stage: 1, timings }, tensors: given })
    await this.bus.publish(TOPICS.data.results('p', header.dispatcher), message)
  }
}

/** The plan of a pipeline that was deployed with these settings. */
export function planWith(settings: Partial<SensorSettings>, change: Partial<Plan> = {}, epoch = 1): Plan {
  const sensors: SensorSettings = {
    ...{
      delivery: 'lossless',
      order: 'admission',
      queueFrames: 256,
      deadlineMs: 30_000,
      topK: 5,
      raw: 'large',
    },
    image: IMAGE_DEFAULTS,
    ...settings,
  }
  return planOf(epoch, { sensors, ...change })
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
