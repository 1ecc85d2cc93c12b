import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { InboxBroker, PeerLink } from '../../broker/index.js'
import { type BusHandler } from '../../core/bus.js'
import { Cleanup } from '../../core/cleanup.js'
import { encodeEnvelope } from '../../core/codec/index.js'
import { type Costs, fitRate, quantile, type Rate, timeOf } from '../../core/costs/index.js'
import { MillraceError } from '../../core/errors.js'
import { MemoryBroker } from '../../core/memory-bus.js'
import { ModelBuilder } from '../../core/synthetic/index.js'
import { tensor } from '../../core/tensor.js'
import { topicsOf } from '../../core/topics.js'
import { withLimit } from '../../core/wait.js'
import { measureCodec } from '../profiler/index.js'
import { SessionPool } from '../session/index.js'
import { Stage } from '../stage/index.js'

/** In bytes: from next to nothing to the activations of a large layer. */
const SIZES = [1_000, 100_000, 400_000, 1_600_000]
const ROUNDS = 12
/** What runs often is compiled by then, as it soon is in a worker: before, a message takes twice the time. */
const WARM = { messages: 1_000, ms: 2_000 }
const CODEC_LIMITS = { budgetMs: 200, fewest: 5, most: 20 }
/** A worker's process sleeps between two frames. */
const BETWEEN_MS = 15
/** More than what processors keep close: an inference leaves nothing else there. */
const SWEEP_BYTES = 2 ** 23
const LIMIT_MS = 5_000
const PASSWORD = 'transport'
const INPUT = 'x'

/**
 * What a message between two workers costs both of them together, beside its codec: its way through an MQTT client, the
 * operating system, an inbox, and the threads of a stage, all of it in this process. Nothing is fresh in the processor's
 * caches, as between two frames of a pipeline.
 * @throws PORT_TAKEN, LINK_UNREACHABLE, BUS_DISCONNECTED, PUBLISH_TIMEOUT, ACTIVATION_FAILED
 */
export async function measureTransport(): Promise<Rate> {
  const cleanup = new Cleanup()
  try {
    const { straight, through } = await layWays(cleanup)
    const codec = await measureCodec(SIZES, CODEC_LIMITS, async () => {})
    await warmUp(through)
    const samples = SIZES.map((): number[] => [])
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, bytes] of SIZES.entries()) {
        // A stage takes one message in and sends one, so what is on its own way more often is what it costs.
        samples[i]?.push((await coldMs(() => through(bytes))) - (await coldMs(() => straight(bytes))))
      }
    }
    // Not the least: what memory costs that is used and freed is part of it.
    const ms = samples.map((more, i) => quantile(more, 0.5) - codecMs(codec, SIZES[i] ?? 0))
    return fitRate(SIZES, ms)
  } finally {
    await cleanup.run()
  }
}

type Way = (bytes: number) => Promise<void>

async function warmUp(way: Way): Promise<void> {
  const endsAt = performance.now() + WARM.ms
  for (let i = 0; i < WARM.messages && performance.now() < endsAt; i++) await way(SIZES[i % 2] ?? 0)
}

/** Two ways for a frame back to this process: over a link, and over two links with a stage between them. */
async function layWays(cleanup: Cleanup): Promise<{ straight: Way; through: Way }> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-transport-'))
  cleanup.defer('removing the model', () => rm(folder, { recursive: true, force: true }))
  const inbox = await InboxBroker.start({ host: '127.0.0.1', port: 0 })
  cleanup.defer('closing the inbox', () => inbox.close())
  const bus = await new MemoryBroker().connect({ clientId: 'transport' })
  cleanup.defer('closing the bus', () => bus.close())
  const linkOf = (worker: string) => new PeerLink({ worker, bus, inbox, sendTimeoutMs: LIMIT_MS })
  const [source, sink] = [linkOf('source'), linkOf('sink')]

  const to = (worker: string) => {
    const peer = { url: inbox.url, username: worker, password: PASSWORD, only: true }
    return { topic: worker, worker, peer }
  }
  let arrived: BusHandler = () => undefined
  const inlet = await sink.listen(to('sink'), message => arrived(message))
  cleanup.defer('closing the inlet', () => inlet.close())

  const { file, output } = passOn()
  const model = join(folder, 'pass-on.onnx')
  await writeFile(model, file)
  const activation = {
    ...{
      pipeline: 'transport',
      epoch: 1,
      stage: 0,
      replica: 0,
      term: 0,
      lz4: 'never' as const,
      inboxFrames: 4,
    },
    ...{ part: { sha256: '', bytes: 0 }, receives: [INPUT], carries: [], sends: [output] },
    ...{ inbox: to('worker'), next: [{ ...to('sink'), weight: 1 }] },
  }
  const [topics, sessions] = [topicsOf('transport'), new SessionPool()]
  const parts = { link: linkOf('worker'), topics, sessions, onTrouble: () => undefined }
  const stage = await Stage.activate(activation, model, parts)
  cleanup.defer('ending the stage', () => stage.passivate())

  let sequence = 0
  const way = async (worker: string): Promise<Way> => {
    const outlet = source.open(to(worker))
    cleanup.defer('closing an outlet', () => outlet.close())
    await outlet.settled
    return bytes => {
      const back = new Promise<void>(resolve => {
        arrived = () => resolve()
      })
      const sent = outlet.send(frameOf(bytes, sequence++))
      return withLimit(
        sent.then(() => back),
        LIMIT_MS,
        () => new MillraceError('PUBLISH_TIMEOUT', `a message of ${bytes} bytes did not come back`),
      )
    }
  }
  return { straight: await way('sink'), through: await way('worker') }
}

/** A model that computes next to nothing. */
function passOn(): { readonly file: Uint8Array; readonly output: string } {
  const model = new ModelBuilder('pass-on')
  const output = model.node('Relu', [model.input(INPUT, [1, 'n'])])
  model.output(output, [1, 'n'])
  return { file: model.build(), output }
}

function frameOf(bytes: number, sequence: number): Uint8Array {
  const identity = { dispatcher: 'transport', stream: 'transport', sequence }
  const header = { ...identity, epoch: 1, stage: 0, turn: sequence, admittedAt: 0, timings: [] }
  const values = new Float32Array(Math.ceil(bytes / 4)).fill(1)
  return encodeEnvelope({ header, tensors: { [INPUT]: tensor('float32', [1, values.length], values) } })
}

const sweep = new Float64Array(SWEEP_BYTES / Float64Array.BYTES_PER_ELEMENT)

/** Processor time of this process for a piece of work that comes after a pause, in ms. */
async function coldMs(work: () => Promise<void>): Promise<number> {
  await setTimeout(BETWEEN_MS)
  for (let i = 0; i < sweep.length; i++) sweep[i] = i
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}

function codecMs({ encode, decode }: Costs['codec'], bytes: number): number {
  return timeOf(encode, bytes) + timeOf(decode, bytes)
}
