import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { filter, map, scan, Subject } from 'rxjs'
import { fetchPart, type ReadPart, serveParts } from '../../../actors/model-store/index.js'
import { type LinkFigure } from '../../../actors/benchmark/index.js'
import {
  type ProcessUsage,
  type Readiness,
  type Runtime,
  type ThreadFrame,
} from '../../../actors/runtime/index.js'
import {
  type AgentParts,
  deathWill,
  WorkerAgent,
  type WorkerOptions,
  workerOptions,
} from '../../../actors/worker/index.js'
import {
  activationKeyOf,
  type Activation,
  Actual,
  type ActorProgress,
  Beat,
  Birth,
  Crash,
  Death,
  encodeControl,
  type Probes,
  type ProbeTarget,
  type ProbeUser,
  type Speed,
} from '../../../core/control/index.js'
import { MillraceError } from '../../../core/errors.js'
import { parseOptions } from '../../../core/options.js'
import {
  hear,
  inTurns,
  listen,
  rejection,
  settled,
  testBroker,
  testStore,
  TOPICS,
  until,
} from '../../support/actors.js'

const INCARNATION = 1_000
const FAST = parseOptions(
  workerOptions,
  { heartbeatMs: 30, pieceTimeoutMs: 100, runtimeRestarts: 2, benchmark: false },
  'test',
)
const { worker } = TOPICS
/** As over a slow link; what is late is asked for again. */
const PIECE_MS = 300

/** Hosts nothing, and does what a test says. */
class FakeRuntime implements Runtime {
  readonly trouble$ = new Subject<MillraceError>()
  readonly ended: Promise<MillraceError | undefined>
  readonly active = new Map<string, string>()
  readonly calls: string[] = []
  readonly speed$ = new Subject<Speed>()
  readonly figures$ = new Subject<LinkFigure>()
  actors: ActorProgress[] = []
  threads: ThreadFrame[] = []
  refusal: MillraceError | undefined
  crash: (error: MillraceError | undefined) => void = () => {}

  constructor() {
    this.ended = new Promise(resolve => {
      this.crash = resolve
    })
  }

  async activate(activation: Activation, model: string): Promise<Readiness> {
    this.calls.push(`activate ${activationKeyOf(activation)}`)
    if (this.refusal !== undefined) throw this.refusal
    this.active.set(activationKeyOf(activation), model)
    return { link: 'broker' }
  }

  async passivate(key: string): Promise<void> {
    this.calls.push(`passivate ${key}`)
    this.active.delete(key)
  }

  async measureSpeed(): Promise<Speed> {
    this.calls.push('measure speed')
    return until(this.speed$)
  }

  async acceptProbes(users: readonly ProbeUser[]): Promise<void> {
    this.calls.push(`accept ${users.map(({ username }) => username).join(', ')}`.trim())
  }

  async measureLink({ to }: ProbeTarget): Promise<LinkFigure> {
    this.calls.push(`measure ${to}`)
    return until(this.figures$)
  }

  progress(): readonly ActorProgress[] {
    return this.actors
  }

  usage(): ProcessUsage {
    return { rssBytes: 1e12, cpuMs: 1e12, at: 5 }
  }

  inThreads(): readonly ThreadFrame[] {
    return this.threads
  }

  async stop(): Promise<void> {
    this.calls.push('stop')
    this.crash(undefined)
  }
}

/** Each runtime but the first is there when the gate opens. */
function gated(runtimes: FakeRuntime[]) {
  const gate = new Subject<void>()
  const createRuntime = async () => {
    const runtime = new FakeRuntime()
    if (runtimes.push(runtime) > 1) await until(gate)
    return runtime
  }
  return { gate, createRuntime }
}

const PART = new TextEncoder().encode('any bytes')

async function setting(t: ExecutionContext) {
  const { broker, connect } = await testBroker(t)
  const bus = await connect('others')
  const store = await testStore(t)
  const held = await testStore(t)
  const part = await held.put(PART)
  await serveParts(
    bus,
    TOPICS,
    (sha256, offset, length) => held.read(sha256, offset, length),
    () => {},
  )
  const runtimes: FakeRuntime[] = []
  const troubles: MillraceError[] = []
  let connections = 0
  const start = async (change: Partial<AgentParts> = {}, options: Partial<WorkerOptions> = {}) => {
    const parts: AgentParts = {
      id: 'w1',
      incarnation: INCARNATION,
      // Under the same id one connection would take the place of another.
      bus: await connect(`worker-${connections++}`),
      topics: TOPICS,
      store,
      createRuntime: async () => {
        const runtime = new FakeRuntime()
        runtimes.push(runtime)
        return runtime
      },
      onTrouble: error => troubles.push(error),
      ...change,
    }
    const agent = await WorkerAgent.start(parts, { ...FAST, ...options })
    t.teardown(() => agent.stop())
    return agent
  }
  const activation = (stage: number, change: Partial<Activation> = {}): Activation => ({
    pipeline: 'p',
    epoch: 1,
    stage,
    replica: 0,
    term: 1,
    part,
    receives: [],
    carries: [],
    sends: [],
    inbox: { topic: TOPICS.data.stage('p', 1, stage, 0) },
    inboxFrames: 1,
    lz4: 'never',
    ...change,
  })
  const desire = (term: number, activations: readonly Activation[], probes?: Probes) =>
    bus.publish(worker.desired('w1'), encodeControl({ term, activations, probes }), { qos: 1, retain: true })
  return { broker, bus, connect, start, store, held, runtimes, troubles, activation, desire }
}

/** The state of each stage, as `stage state code`. */
function statesOf({ activations }: Actual): string[] {
  return activations.map(({ stage, state, error }) => [stage, state, error?.code].join(' ').trim())
}

function is(...states: string[]): (actual: Actual) => boolean {
  return actual => JSON.stringify(statesOf(actual)) === JSON.stringify(states)
}

test('a worker - its birth is retained and says its incarnation, and it beats under that', async t => {
  const { bus, start } = await setting(t)
  const beats = await hear(bus, worker.beats, Beat)
  await start()
  const first = await until(beats)
  t.like(first, { worker: 'w1', incarnation: INCARNATION, actors: [] })
  t.true(first.rssBytes > 1e12 + 1_000_000, 'of the agent and the runtime')
  t.true((first.cpuMs ?? 0) > 1e12)
  t.is(first.countedAt, 5)
  await until(beats, ({ at }) => at > first.at)
  const births = await listen(bus, worker.births)
  const message = await until(births)
  t.true(message.retained)
  const birth = Birth.parse(JSON.parse(new TextDecoder().decode(message.payload)))
  t.like(birth, { worker: 'w1', incarnation: INCARNATION })
  t.true(birth.cores >= 1 && birth.memoryBytes > 0)
  t.true((await until(await listen(bus, worker.actuals))).retained)
})

test("a worker - its will goes to its own incarnation's topic", t => {
  const { topic, payload } = deathWill(TOPICS, 'w1', INCARNATION)
  t.is(topic, worker.death('w1', INCARNATION))
  t.deepEqual(Death.parse(JSON.parse(new TextDecoder().decode(payload))), { incarnation: INCARNATION })
})

test('a worker - that sees its own death publishes its birth again, and that of another not', async t => {
  const { bus, start } = await setting(t)
  await start()
  const births = await hear(bus, worker.births, Birth)
  const heard: Birth[] = []
  births.subscribe(birth => heard.push(birth))
  await until(births)
  const beats = await hear(bus, worker.beats, Beat)
  for (const incarnation of [INCARNATION - 1, INCARNATION]) {
    const { topic, payload } = deathWill(TOPICS, 'w1', incarnation)
    await bus.publish(topic, payload, { qos: 1 })
  }
  await until(births, () => heard.length > 1)
  await until(beats)
  t.deepEqual(
    heard.map(({ incarnation }) => incarnation),
    [INCARNATION, INCARNATION],
  )
})

test('a worker - its beats say how far each actor is', async t => {
  const { bus, start, runtimes } = await setting(t)
  await start()
  const beats = await hear(bus, worker.beats, Beat)
  const actor = {
    pipeline: 'p',
    epoch: 1,
    stage: 2,
    replica: 0,
    frames: 7,
    failures: 1,
    waiting: 3,
    running: 2,
    runMs: 1.5,
    link: 'peer' as const,
    bytesIn: 400,
    bytesOut: 500,
  }
  runtimes[0]?.actors.push(actor)
  t.deepEqual((await until(beats, ({ actors }) => actors.length > 0)).actors, [actor])
})

test('a worker - fetches beforehand what it may have to run, says so, and serves it to others', async t => {
  const { bus, connect, start, runtimes, held } = await setting(t)
  await start()
  const actuals = await hear(bus, worker.actuals, Actual)
  const more = await held.put(new TextEncoder().encode('other bytes'))
  const unknown = { sha256: 'ab'.repeat(32), bytes: 5 }
  const first = await held.put(PART)
  const prefetch = [first, unknown, more]
  const desired = encodeControl({ term: 1, activations: [], prefetch })
  await bus.publish(worker.desired('w1'), desired, { qos: 1, retain: true })
  const { prefetched } = await until(actuals, actual => actual.prefetched?.length === 2)
  t.deepEqual(prefetched, [first.sha256, more.sha256])
  t.deepEqual(runtimes[0]?.active.size, 0)
  const store = await testStore(t)
  const fetching = { bus: await connect('w2'), topics: TOPICS, store, requester: 'w2' }
  const path = await fetchPart(more, { ...fetching, holders: ['w1'], pieceTimeoutMs: 5_000, attempts: 1 })
  t.is(await readFile(path, 'utf8'), 'other bytes')
})

test('a worker - fetches for as long as pieces come, longer than a partition may take to load', async t => {
  const { bus, connect, start } = await setting(t)
  const bytes = new Uint8Array(300_000)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  let pieces = 0
  const slowly: ReadPart = async (wanted, offset, length) => {
    if (wanted !== sha256) return undefined
    pieces++
    await setTimeout(PIECE_MS)
    return bytes.subarray(offset, offset + length)
  }
  await serveParts(await connect('slow'), TOPICS, slowly, error => t.fail(error.message))
  await start({}, { activationTimeoutMs: 1_000, pieceTimeoutMs: 5_000 })
  const actuals = await hear(bus, worker.actuals, Actual)
  const prefetch = [{ sha256, bytes: bytes.byteLength }]
  const desired = encodeControl({ term: 1, activations: [], prefetch })
  await bus.publish(worker.desired('w1'), desired, { qos: 1, retain: true })
  const { prefetched } = await until(actuals, actual => actual.prefetched?.length === 1)
  t.deepEqual(prefetched, [sha256])
  t.true(pieces * PIECE_MS > 1_000)
})

test('a worker - fetches nothing beforehand that something else would have to go for', async t => {
  const { bus, start, held } = await setting(t)
  const store = await testStore(t, { limitBytes: 20 })
  await start({ store })
  const [kept, small] = [await store.put(PART), await held.put(new TextEncoder().encode('8 bytes!'))]
  const large = await held.put(new TextEncoder().encode('twelve bytes'))
  const actuals = await hear(bus, worker.actuals, Actual)
  const desired = encodeControl({ term: 1, activations: [], prefetch: [large, small] })
  await bus.publish(worker.desired('w1'), desired, { qos: 1, retain: true })
  const { prefetched } = await until(actuals, actual => actual.prefetched !== undefined)
  t.deepEqual(prefetched, [small.sha256])
  t.true(await store.has(kept))
})

test('a worker - fetches, loads and reports what it is to run, and lets go what it is not', async t => {
  const { bus, start, runtimes, activation, desire, store } = await setting(t)
  await start()
  const actuals = await hear(bus, worker.actuals, Actual)
  const heard: string[] = []
  actuals.pipe(map(actual => statesOf(actual).join())).subscribe(states => heard.push(states))
  await desire(1, [activation(0)])
  await until(actuals, is('0 ready'))
  t.deepEqual([...new Set(heard)], ['', '0 fetching', '0 loading', '0 ready'])
  const path = store.pathOf(activation(0).part.sha256)
  t.deepEqual([...(runtimes[0]?.active ?? [])], [['p/1/0/0', path]])
  t.deepEqual(new Uint8Array(await readFile(path)), PART)
  await desire(1, [activation(0), activation(1)])
  await until(actuals, is('0 ready', '1 ready'))
  await desire(1, [activation(1)])
  await until(actuals, is('1 ready'))
  await bus.publish(worker.desired('w1'), new Uint8Array(), { qos: 1, retain: true })
  await until(actuals.pipe(filter((_, index) => index > 4)), is())
  await settled()
  t.deepEqual(runtimes[0]?.calls, [
    'activate p/1/0/0',
    'activate p/1/1/0',
    'passivate p/1/0/0',
    'passivate p/1/1/0',
  ])
})

test('a worker - carries out what was desired before it came', async t => {
  const { bus, start, activation, desire } = await setting(t)
  await desire(1, [activation(0)])
  const actuals = await hear(bus, worker.actuals, Actual)
  await start()
  const actual = await until(actuals, is('0 ready'))
  t.like(actual, { worker: 'w1', incarnation: INCARNATION })
})

test('a worker - what an older term desires, or nobody can read, changes nothing', async t => {
  const { bus, start, runtimes, activation, desire } = await setting(t)
  await start()
  const actuals = await hear(bus, worker.actuals, Actual)
  await desire(5, [activation(0)])
  await until(actuals, is('0 ready'))
  await desire(4, [activation(1)])
  await bus.publish(worker.desired('w1'), new TextEncoder().encode('{"term":9'), { qos: 1 })
  await bus.publish(worker.desired('w1'), encodeControl({ term: 9, activations: [{}] }), { qos: 1 })
  await desire(5, [activation(0), activation(2)])
  await until(actuals, is('0 ready', '2 ready'))
  t.deepEqual(runtimes[0]?.calls, ['activate p/1/0/0', 'activate p/1/2/0'])
})

test('a worker - an activation that cannot be fetched or loaded is reported with a code, and alone', async t => {
  const { bus, start, runtimes, activation, desire } = await setting(t)
  await start()
  const actuals = await hear(bus, worker.actuals, Actual)
  await desire(1, [activation(0)])
  await until(actuals, is('0 ready'))
  if (runtimes[0]) runtimes[0].refusal = new MillraceError('MODEL_UNSUPPORTED', 'no such operator')
  const absent = { sha256: 'f'.repeat(64), bytes: 10 }
  await desire(1, [activation(0), activation(1), activation(2, { part: absent })])
  const actual = await until(
    actuals,
    is('0 ready', '1 failed MODEL_UNSUPPORTED', '2 failed PART_UNAVAILABLE'),
  )
  t.is(actual.activations[1]?.error?.message, 'no such operator')
})

test('a worker - one whose id is in use on a live worker does not start', async t => {
  const { start, runtimes } = await setting(t)
  await start()
  // It listens for a few beats of its own, which on a busy machine may be as late as it likes.
  const again = start({ incarnation: INCARNATION + 1 }, { heartbeatMs: 10_000 })
  t.is(await rejection(again), 'WORKER_ID_TAKEN')
  t.is(runtimes.length, 1)
  await start({ id: 'w2' })
})

test('a worker - stopping it stops its runtime, says that it ended, and takes back what it retained', async t => {
  const { broker, bus, start, runtimes, activation, desire } = await setting(t)
  const agent = await start()
  const actuals = await hear(bus, worker.actual('w1'), Actual)
  await desire(1, [activation(0)])
  await until(actuals, is('0 ready'))
  const deaths = await hear(bus, worker.deaths, Death)
  await agent.stop()
  await agent.stop()
  t.is(runtimes[0]?.calls.filter(call => call === 'stop').length, 1)
  t.deepEqual(await until(deaths), { incarnation: INCARNATION })
  // What it is to run is the supervisor's to take back.
  await inTurns(() => broker.metrics().retainedMessages === 1)
})

test('a worker - a crash of its runtime is reported at once, and mended with a new one', async t => {
  const { bus, start, runtimes, troubles, activation, desire } = await setting(t)
  const { gate, createRuntime } = gated(runtimes)
  await start({ createRuntime })
  const actuals = await hear(bus, worker.actuals, Actual)
  await desire(1, [activation(0)])
  await until(actuals, is('0 ready'))
  runtimes[0]?.crash(new MillraceError('RUNTIME_CRASHED', 'killed'))
  const reported = await until(actuals, is('0 failed RUNTIME_CRASHED'))
  t.is(reported.activations[0]?.error?.message, 'killed')
  t.deepEqual(
    troubles.map(({ code }) => code),
    ['RUNTIME_CRASHED'],
  )
  const later = await hear(bus, worker.actuals, Actual)
  gate.next()
  await until(later, is('0 ready'))
  t.deepEqual(runtimes[1]?.calls, ['activate p/1/0/0'])
})

test('a worker - what it is to run while its runtime starts again waits for that', async t => {
  const { bus, start, runtimes, activation, desire } = await setting(t)
  const { gate, createRuntime } = gated(runtimes)
  await start({ createRuntime })
  const actuals = await hear(bus, worker.actuals, Actual)
  await desire(1, [activation(0)])
  await until(actuals, is('0 ready'))
  runtimes[0]?.crash(new MillraceError('RUNTIME_CRASHED', 'killed'))
  await until(actuals, is('0 failed RUNTIME_CRASHED'))
  const waiting = until(actuals, is('1 fetching'))
  await desire(1, [activation(1)])
  await waiting
  const loaded = until(actuals, is('1 ready'))
  gate.next()
  await loaded
  t.false(runtimes[0]?.calls.includes('activate p/1/1/0'))
  t.deepEqual(runtimes[1]?.calls, ['activate p/1/1/0'])
})

test('a worker - tells of a crash to each pipeline in its runtime, and which frames were in its threads', async t => {
  const { bus, start, runtimes, activation, desire } = await setting(t)
  const actuals = await hear(bus, worker.actuals, Actual)
  await start()
  const crashes = await hear(bus, TOPICS.pipeline.crashes, Crash)
  await desire(1, [activation(0), activation(0, { pipeline: 'idle' })])
  await until(actuals, is('0 ready', '0 ready'))
  const at = { pipeline: 'p', dispatcher: 'door', stream: 's' }
  const [runtime] = runtimes
  if (runtime === undefined) return t.fail('none was started')
  // The second copy of one frame, and one that is left of the epoch before.
  runtime.threads = [
    { ...at, epoch: 1, sequence: 4 },
    { ...at, epoch: 1, sequence: 4 },
    { ...at, epoch: 0, sequence: 2 },
  ]
  runtime.crash(new MillraceError('RUNTIME_CRASHED', 'killed'))
  const heard = await until(
    crashes.pipe(
      scan((all: Crash[], crash) => [...all, crash], []),
      filter(all => all.length === 3),
    ),
  )
  const told = { worker: 'w1', incarnation: INCARNATION, crash: 1 }
  const suspect = (sequence: number) => ({ dispatcher: 'door', stream: 's', sequence })
  t.deepEqual(heard, [
    { ...told, pipeline: 'p', epoch: 1, suspects: [suspect(4)], others: 1 },
    { ...told, pipeline: 'idle', epoch: 1, suspects: [], others: 2 },
    { ...told, pipeline: 'p', epoch: 0, suspects: [suspect(2)], others: 1 },
  ])
})

test('a worker - a runtime that crashes again and again is given up, and that is reported', async t => {
  const { bus, start, runtimes, activation, desire } = await setting(t)
  await start()
  await desire(1, [activation(0)])
  for (let i = 0; i <= FAST.runtimeRestarts; i++) {
    await until(await hear(bus, worker.actuals, Actual), is('0 ready'))
    runtimes[i]?.crash(new MillraceError('RUNTIME_CRASHED', `crash ${i}`))
    const failed = await hear(bus, worker.actuals, Actual)
    await until(failed, ({ activations }) => activations[0]?.error?.message === `crash ${i}`)
  }
  const beats = await hear(bus, worker.beats, Beat)
  const actuals: Actual[] = []
  ;(await hear(bus, worker.actuals, Actual)).subscribe(actual => actuals.push(actual))
  await until(beats.pipe(filter((_, index) => index > 1)))
  t.deepEqual(actuals.map(statesOf), [['0 failed RUNTIME_CRASHED']])
  t.is(runtimes.length, 1 + FAST.runtimeRestarts)
  const later = await hear(bus, worker.actuals, Actual)
  await desire(1, [activation(1)])
  await until(later, is('1 failed RUNTIME_CRASHED'))
})

test('a worker - whose runtime was given up starts another after a while, for what it is to run by then', async t => {
  const { bus, start, runtimes, activation, desire } = await setting(t)
  const actuals = await hear(bus, worker.actuals, Actual)
  await start({ restartWindowMs: 2_000 }, { runtimeRestarts: 0 })
  await desire(1, [activation(0)])
  await until(actuals, is('0 ready'))
  runtimes[0]?.crash(new MillraceError('RUNTIME_CRASHED', 'killed'))
  await until(actuals, is('0 failed RUNTIME_CRASHED'))
  const refused = until(actuals, is('1 failed RUNTIME_CRASHED'))
  await desire(1, [activation(1)])
  await refused
  await until(actuals, is('1 ready'))
  t.deepEqual(runtimes[1]?.calls, ['activate p/1/1/0'])
})

test('a worker - that is stopped while its runtime starts again leaves none behind', async t => {
  const { start, runtimes } = await setting(t)
  const starting = new Subject<void>()
  const gate = new Subject<void>()
  const createRuntime = async () => {
    const runtime = new FakeRuntime()
    if (runtimes.push(runtime) > 1) {
      const opened = until(gate)
      starting.next()
      await opened
    }
    return runtime
  }
  const agent = await start({ createRuntime })
  const again = until(starting)
  runtimes[0]?.crash(new MillraceError('RUNTIME_CRASHED', 'killed'))
  await again
  const stopped = agent.stop()
  gate.next()
  await stopped
  t.deepEqual(runtimes[1]?.calls, ['stop'])
})

test('a worker - that cannot begin leaves no runtime behind', async t => {
  const { connect, start, runtimes } = await setting(t)
  const bus = await connect('worker-lost')
  const createRuntime = async () => {
    const runtime = new FakeRuntime()
    runtimes.push(runtime)
    await bus.close()
    return runtime
  }
  t.is(await rejection(start({ bus, createRuntime })), 'BUS_CLOSED')
  t.deepEqual(runtimes[0]?.calls, ['stop'])
})

test('a worker - keeps the parts that it is to run, and says of which it has no room for', async t => {
  const { bus, start, held, activation, desire, troubles } = await setting(t)
  const store = await testStore(t, { limitBytes: PART.byteLength + 10 })
  await start({ store })
  const large = await held.put(new Uint8Array(PART.byteLength + 5))
  const actuals = await hear(bus, worker.actuals, Actual)
  const small = activation(0)
  await desire(1, [small])
  await until(actuals, is('0 ready'))
  await desire(1, [small, activation(1, { part: large })])
  const refused = await until(actuals, is('0 ready', '1 failed CACHE_FULL'))
  t.regex(refused.activations[1]?.error?.message ?? '', /--cache-limit-mib/)
  t.true(await store.has(small.part))
  await desire(1, [activation(1, { part: large })])
  await desire(1, [activation(1, { part: large, epoch: 2 })])
  await until(actuals, is('1 ready'))
  t.deepEqual([await store.has(small.part), await store.has(large)], [false, true])
  t.deepEqual(troubles, [])
})

/** What a worker is asked to measure, with passwords made of `key`. */
function probesFor(key: string, ...peers: string[]): Probes {
  const measure = peers.map(to => ({
    ...{ to, url: 'mqtt://10.0.0.1:1', username: `probe/w1/${to}`, password: `${key} ${to}` },
  }))
  return { accept: [{ username: 'probe/w0/w1', password: key }], measure }
}

test('a worker - is born at once, and announces again how fast it is when it knows', async t => {
  const { bus, start, runtimes } = await setting(t)
  const births = await hear(bus, worker.births, Birth)
  await start({}, { benchmark: true })
  t.is((await until(births)).speed, undefined)
  t.deepEqual(runtimes[0]?.calls, ['measure speed'])
  // It goes on beating while it measures.
  await until((await hear(bus, worker.beats, Beat)).pipe(filter((_, index) => index > 1)))
  runtimes[0]?.speed$.next({ convGflops: 12, matmulGflops: 34 })
  const { speed } = await until(births, birth => birth.speed !== undefined)
  t.deepEqual(speed, { convGflops: 12, matmulGflops: 34 })
})

test('a worker - whose runtime dies while it measures does not try that again', async t => {
  const { bus, start, runtimes } = await setting(t)
  await start({}, { benchmark: true })
  const births = await hear(bus, worker.births, Birth)
  await until(births)
  runtimes[0]?.crash(new MillraceError('RUNTIME_CRASHED', 'killed'))
  await inTurns(() => runtimes.length === 2)
  await until((await hear(bus, worker.beats, Beat)).pipe(filter((_, index) => index > 1)))
  t.deepEqual(runtimes[1]?.calls, [])
})

test('a worker - says how much memory its actors may still take', async t => {
  const { bus, start } = await setting(t)
  const births = await hear(bus, worker.births, Birth)
  await start()
  const { availableBytes = -1, memoryBytes } = await until(births)
  t.true(availableBytes > 0 && availableBytes <= memoryBytes, String(availableBytes))
  // More than the limit is in use already: of this process, and of the runtime by what it says.
  await start({ id: 'w2' }, { memoryMib: 64 })
  t.is((await until(births, birth => birth.worker === 'w2')).availableBytes, 0)
})

test('a worker - lets its peers measure, measures one link after the other, and reports each', async t => {
  const { bus, start, runtimes, desire } = await setting(t)
  await start()
  const actuals = await hear(bus, worker.actuals, Actual)
  await desire(1, [], probesFor('first', 'w2', 'w3'))
  await inTurns(() => runtimes[0]?.calls.length === 2)
  t.deepEqual(runtimes[0]?.calls, ['accept probe/w0/w1', 'measure w2'])
  runtimes[0]?.figures$.next({ mbps: 90, rttMs: 2 })
  const one = await until(actuals, ({ links }) => links?.length === 1)
  t.deepEqual(one.links, [{ to: 'w2', mbps: 90, rttMs: 2 }])
  await inTurns(() => runtimes[0]?.calls.at(-1) === 'measure w3')
  runtimes[0]?.figures$.next({ mbps: 5, rttMs: 1 })
  await until(actuals, ({ links }) => links?.length === 2)
  // What is not asked for any more stays known, and peers that are done are let in no more.
  await desire(1, [])
  await inTurns(() => runtimes[0]?.calls.at(-1) === 'accept')
  await desire(1, [], probesFor('second', 'w3'))
  const without = await until(actuals, ({ links }) => links?.length === 1)
  t.deepEqual(
    without.links?.map(({ to }) => to),
    ['w2'],
  )
  await inTurns(() => runtimes[0]?.calls.at(-1) === 'measure w3')
  runtimes[0]?.figures$.next({ mbps: 7, rttMs: 1 })
  await until(actuals, ({ links }) => links?.some(({ mbps }) => mbps === 7) === true)
})

test('a worker - keeps the better of two figures of a link that it is to measure again', async t => {
  const { bus, start, runtimes, desire } = await setting(t)
  await start()
  const actuals = await hear(bus, worker.actuals, Actual)
  for (const [i, mbps] of [90, 700, 80].entries()) {
    const { accept, measure } = probesFor(`${i}`, 'w2')
    await desire(1, [], { accept, measure: measure.map(one => ({ ...one, again: i > 0 })) })
    await inTurns(() => runtimes[0]?.calls.filter(call => call === 'measure w2').length === i + 1)
    const told = until(actuals, ({ links }) => (links?.[0]?.runs ?? 1) === i + 1 && links?.length === 1)
    runtimes[0]?.figures$.next({ mbps, rttMs: 3 - i })
    await told
  }
  const { links } = await until(await hear(bus, worker.actuals, Actual))
  t.deepEqual(links, [{ to: 'w2', mbps: 700, rttMs: 1, runs: 3 }])
})

test('a worker - tells a new runtime whom to let in, and has it measure what is not known yet', async t => {
  const { bus, start, runtimes, desire } = await setting(t)
  await start()
  const actuals = await hear(bus, worker.actuals, Actual)
  await desire(1, [], probesFor('first', 'w2', 'w3'))
  await inTurns(() => runtimes[0]?.calls.length === 2)
  runtimes[0]?.figures$.next({ mbps: 90, rttMs: 2 })
  await until(actuals, ({ links }) => links?.length === 1)
  await inTurns(() => runtimes[0]?.calls.at(-1) === 'measure w3')
  runtimes[0]?.crash(new MillraceError('RUNTIME_CRASHED', 'killed'))
  runtimes[0]?.figures$.error(new MillraceError('RUNTIME_CRASHED', 'killed'))
  await inTurns(() => runtimes[1]?.calls.length === 2)
  t.deepEqual(runtimes[1]?.calls, ['accept probe/w0/w1', 'measure w3'])
})
