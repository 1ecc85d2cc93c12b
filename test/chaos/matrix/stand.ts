import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FaultyLine } from '../../../broker/index.js'
import { type Cluster } from '../../../config/cluster.js'
import { connectOptions } from '../../../config/connect-options.js'
import { busOpener, openCluster } from '../../../config/connect.js'
import { type Pipeline } from '../../../config/index.js'
import { Cleanup } from '../../../core/cleanup.js'
import { TOLERANCES } from '../../../core/compare.js'
import { readGraph } from '../../../core/graph/index.js'
import { parseOptions } from '../../../core/options.js'
import { syntheticFrame } from '../../../core/synthetic/index.js'
import { type Tensors } from '../../../core/tensor.js'
import { type Wire } from '../../../core/wire.js'
import { leastDifference, modelAnswers } from '../../support/answers.js'
import { Members } from '../../support/members.js'
import { type BrokerProcess, embeddedBroker, persistentMosquitto } from './brokers.js'
import { Sends } from './sends.js'

export interface StandWish {
  /** Path of an ONNX file. */
  readonly model: string
  readonly partitions: number
  /** Workers that have nothing to do at first. */
  readonly spares: number
  readonly broker: 'embedded' | 'mosquitto'
  readonly window: number
  /** On links between stages. */
  readonly wire: Wire
  readonly seed: number
  /** Different frames. */
  readonly distinct: number
}

/** How far a right answer may be from the uncut model's, and how far apart those to different frames must be. */
interface Precision {
  readonly tolerance: number
  readonly apart: number
}
const EXACT: Precision = { tolerance: TOLERANCES.f32, apart: 1e-2 }
const LOSSY: Precision = { tolerance: 0.05, apart: 0.1 }
/** Frames of so many seeds are tried, until all their answers are far enough apart. */
const SEEDS = 20
const VERSION_DIGITS = 12

/** A cluster of processes that can be killed, with a line between each of them and the broker that can be cut. */
export class Stand {
  readonly lines = new Map<string, FaultyLine>()
  /** By the version of the model. */
  private readonly answers = new Map<string, readonly Tensors[]>()
  private used: Pipeline | undefined

  private constructor(
    readonly wish: StandWish,
    readonly broker: BrokerProcess,
    readonly members: Members,
    readonly cluster: Cluster,
    readonly sends: Sends,
    private readonly folder: string,
    /** Of its frames. */
    readonly seed: number,
    private readonly frames: readonly Tensors[],
    private readonly cleanup: Cleanup,
  ) {}

  static async open(wish: StandWish): Promise<Stand> {
    const cleanup = new Cleanup(60_000)
    try {
      return await Stand.assemble(wish, cleanup)
    } catch (error) {
      await cleanup.run()
      throw error
    }
  }

  private static async assemble(wish: StandWish, cleanup: Cleanup): Promise<Stand> {
    const model = readFileSync(wish.model)
    const { inputs } = readGraph(model)
    const seed = await seedFor(model, wish)
    const frames = Array.from({ length: wish.distinct }, (_, i) => syntheticFrame(inputs, seed, i))
    const folder = await mkdtemp(join(tmpdir(), 'millrace-chaos-'))
    cleanup.defer('removing the parts', () => rm(folder, { recursive: true, force: true }))
    const broker = await (wish.broker === 'embedded' ? embeddedBroker() : persistentMosquitto())
    cleanup.defer('closing the broker', () => broker.close())
    const members = new Members(broker.url)
    cleanup.defer('stopping the members', () => members.stop())
    const own = new Cleanup()
    const line = await FaultyLine.open(broker.url)
    own.defer('closing the line', () => line.close())
    const options = parseOptions(connectOptions, {}, 'the suite')
    const sends = new Sends()
    const cluster = await openCluster(sends.watched(busOpener(line.url, options)), options, own)
    cleanup.defer('closing the connection', () => cluster.close())
    const stand = new Stand(wish, broker, members, cluster, sends, folder, seed, frames, cleanup)
    await stand.learn(model)
    stand.lines.set('dispatcher', line)
    await stand.ready()
    return stand
  }

  get tolerance(): number {
    return precisionOf(this.wish).tolerance
  }

  get workers(): string[] {
    const { partitions, spares } = this.wish
    return Array.from({ length: partitions + spares }, (_, i) => `w${i + 1}`)
  }

  frame(sequence: number): Tensors {
    return this.frames[sequence % this.frames.length] ?? {}
  }

  /** @returns nothing for a version that it has not learnt */
  answer(sequence: number, version: string): Tensors {
    return this.answers.get(version)?.[sequence % this.frames.length] ?? {}
  }

  /** Finds out what a model answers. @returns its version */
  async learn(model: Uint8Array): Promise<string> {
    const version = createHash('sha256').update(model).digest('hex').slice(0, VERSION_DIGITS)
    if (!this.answers.has(version)) {
      this.answers.set(version, await modelAnswers(model, this.seed, this.wish.distinct))
    }
    const least = leastDifference([...this.answers.values()].flat())
    if (!(least >= precisionOf(this.wish).apart))
      throw new Error(`answers differ by ${least} only: they prove nothing`)
    return version
  }

  /** Starts those of its processes that do not run. */
  async ready(without: readonly string[] = []): Promise<void> {
    const wanted = ['supervisor', ...this.workers].filter(id => !without.includes(id))
    const missing = wanted.filter(id => !this.members.isRunning(id))
    await Promise.all(missing.map(id => this.start(id)))
  }

  async start(id: string, env: NodeJS.ProcessEnv = {}): Promise<void> {
    const { broker, members, folder } = this
    const known = this.lines.get(id) ?? (await FaultyLine.open(broker.url))
    if (!this.lines.has(id)) this.cleanup.defer('closing a line', () => known.close())
    this.lines.set(id, known)
    known.become('whole')
    const supervisor = ['--dead-after-ms', '3000', '--cache-dir', join(folder, 'supervisor')]
    const worker = ['--runtime-stall-ms', '1500', '--cache-dir', join(folder, 'workers'), '--allow-faults']
    const more = id === 'supervisor' ? supervisor : id.startsWith('w') ? worker : [...supervisor, '--standby']
    await members.start(id, more, { url: known.url, env: { MILLRACE_BENCHMARK: 'off', ...env } })
  }

  /** The pipeline, deployed anew: a partition on each of the first workers, and nothing on the spares. */
  deploy(): Promise<Pipeline> {
    return this.renew({ partitions: this.wish.partitions })
  }

  /** The same in as many partitions as the supervisor likes. */
  deployFreely(): Promise<Pipeline> {
    return this.renew({})
  }

  /** Has the supervisor deploy a model under the pipeline's name. @returns another connection to the pipeline */
  request(model: string | Uint8Array, options: { partitions?: number } = this.wish): Promise<Pipeline> {
    const asked = options.partitions === undefined ? {} : { partitions: options.partitions }
    const { window, wire } = this.wish
    return this.cluster.deploy(model, { name: 'chaos', ...asked, window, wire, replicas: false })
  }

  private async renew(options: { partitions?: number }): Promise<Pipeline> {
    await this.used?.close()
    this.used = await this.request(this.wish.model, options)
    return this.used
  }

  async close(): Promise<void> {
    for (const failure of await this.cleanup.run()) console.error(failure.message)
  }
}

function precisionOf({ wire }: Pick<StandWish, 'wire'>): Precision {
  return wire === 'f32' ? EXACT : LOSSY
}

/** The one that was asked for, or the first after it whose frames have answers that are far enough apart. */
async function seedFor(model: Uint8Array, wish: StandWish): Promise<number> {
  const { apart } = precisionOf(wish)
  for (let seed = wish.seed; seed < wish.seed + SEEDS; seed++) {
    if (leastDifference(await modelAnswers(model, seed, wish.distinct)) >= apart) return seed
  }
  throw new Error(`no ${wish.distinct} frames have answers that are ${apart} apart`)
}
