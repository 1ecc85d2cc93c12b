import test, { type ExecutionContext } from 'ava'
import { Subject } from 'rxjs'
import { Assignments } from '../../../actors/supervisor/assignments.js'
import { LinkProbes } from '../../../actors/supervisor/probes.js'
import { WorkerRegistry } from '../../../actors/supervisor/registry.js'
import { type Actual, decodeControl, Desired, type Probes } from '../../../core/control/index.js'
import { testBroker, testStore, TOPICS, until } from '../../support/actors.js'

/** A supervisor's view of workers, and what it writes for each. */
async function setting(t: ExecutionContext) {
  const { connect } = await testBroker(t)
  const bus = await connect('supervisor')
  const heard$ = new Subject<string>()
  const written = new Map<string, Probes | undefined>()
  await bus.subscribe(
    TOPICS.worker.desireds,
    ({ topic, payload }) => {
      const worker = topic.split('/').at(-2) ?? ''
      heard$.next(worker)
      if (worker !== 'mark') written.set(worker, decodeControl(Desired, payload)?.probes)
    },
    { qos: 1 },
  )
  let now = 1
  const registry = new WorkerRegistry({ deadAfterMs: 1e9, acceptablePauseMs: 1e9 }, () => now)
  const assignments = new Assignments(bus, TOPICS, 1, await testStore(t))
  const newProbes = () => new LinkProbes(registry, assignments, () => now)
  const probes = newProbes()
  const join = (worker: string, inbox: string | undefined = `mqtt://10.0.0.1:1`, incarnation = 1) => {
    registry.born({ worker, incarnation, cores: 1, memoryBytes: 1, bornAt: 1, inbox })
    registry.beaten({ worker, incarnation, at: now, rssBytes: 1, actors: [] })
  }
  const report = (worker: string, to: readonly string[], mbps = 5, runs = 1) => {
    const links = to.map(one => ({ to: one, mbps, rttMs: 1, runs }))
    registry.reported({ worker, incarnation: 1, term: 1, activations: [], links } satisfies Actual)
  }
  /** The pairs that are asked for now, as `from > to`. */
  const pairs = async (by = probes) => {
    await by.update()
    // What was written before has come when this comes.
    const mark = until(heard$, worker => worker === 'mark')
    await bus.publish(TOPICS.worker.desired('mark'), new Uint8Array(), { qos: 1 })
    await mark
    return [...written].flatMap(([from, one]) => one?.measure.map(({ to }) => `${from} > ${to}`) ?? []).sort()
  }
  return { written, join, report, pairs, newProbes, registry, wait: (ms: number) => void (now += ms) }
}

test('link probes - each pair of workers is asked once, with credentials that both know and nobody else', async t => {
  const { written, join, pairs } = await setting(t)
  for (const worker of ['w2', 'w10', 'w1']) join(worker)
  t.deepEqual(await pairs(), ['w1 > w10', 'w1 > w2', 'w2 > w10'])
  const asked = written.get('w1')?.measure.find(({ to }) => to === 'w2')
  t.is(asked?.url, 'mqtt://10.0.0.1:1')
  const { username, password } = asked ?? {}
  t.deepEqual(written.get('w2')?.accept, [{ username, password }])
  t.is(written.get('w10')?.accept.length, 2)
  t.is(new Set([...written.values()].flatMap(one => one?.accept.map(user => user.password))).size, 3)
})

test('link probes - a worker without an inbox for others, or on this machine, is not measured', async t => {
  const { registry, join, pairs } = await setting(t)
  join('w1')
  join('w2', 'mqtt://127.0.0.1:5')
  join('w3', 'mqtt://[::1]:5')
  registry.born({ worker: 'w4', incarnation: 1, cores: 1, memoryBytes: 1, bornAt: 1 })
  registry.beaten({ worker: 'w4', incarnation: 1, at: 1, rssBytes: 1, actors: [] })
  t.deepEqual(await pairs(), [])
})

test('link probes - who joins later is measured then, and what was measured is asked no more', async t => {
  const { written, join, report, pairs } = await setting(t)
  join('w1')
  join('w2')
  t.deepEqual(await pairs(), ['w1 > w2'])
  report('w1', ['w2'])
  t.deepEqual(await pairs(), [])
  t.deepEqual([...written.values()], [undefined, undefined])
  join('w3')
  t.deepEqual(await pairs(), ['w1 > w3', 'w2 > w3'])
})

test('link probes - who joins anew is measured anew', async t => {
  const { join, report, pairs } = await setting(t)
  join('w1')
  join('w2')
  await pairs()
  report('w1', ['w2'])
  t.deepEqual(await pairs(), [])
  join('w2', 'mqtt://10.0.0.9:1', 2)
  t.deepEqual(await pairs(), ['w1 > w2'])
  t.deepEqual(await pairs(), ['w1 > w2'], 'the figure of the former link is not that of the new one')
  report('w1', ['w2'], 7)
  t.deepEqual(await pairs(), [])
})

test('link probes - a link that seems much slower than others is measured again, twice at most', async t => {
  const { written, join, registry, pairs } = await setting(t)
  for (const worker of ['w1', 'w2', 'w3']) join(worker)
  t.deepEqual(await pairs(), ['w1 > w2', 'w1 > w3', 'w2 > w3'])
  const say = (worker: string, figures: Record<string, number>, runs: number) => {
    const links = Object.entries(figures).map(([to, mbps]) => ({ to, mbps, rttMs: 1, runs }))
    registry.reported({ worker, incarnation: 1, term: 1, activations: [], links } satisfies Actual)
  }
  say('w1', { w2: 900, w3: 8 }, 1)
  say('w2', { w3: 800 }, 1)
  t.deepEqual(await pairs(), ['w1 > w3'])
  t.true(written.get('w1')?.measure.every(({ again }) => again === true))
  t.deepEqual(await pairs(), ['w1 > w3'], 'it has not been measured yet')
  say('w1', { w2: 900, w3: 9 }, 2)
  t.deepEqual(await pairs(), ['w1 > w3'])
  say('w1', { w2: 900, w3: 9 }, 3)
  t.deepEqual(await pairs(), [])
})

test('link probes - a link that frames found slow is measured when none has gone over it for a while', async t => {
  const { join, report, pairs, registry, wait } = await setting(t)
  for (const worker of ['w1', 'w2']) join(worker)
  await pairs()
  report('w1', ['w2'], 900)
  registry.links.delivered('w2', 'w1', { mbps: 5 })
  wait(29_000)
  t.deepEqual(await pairs(), [])
  wait(1_000)
  t.deepEqual(await pairs(), ['w1 > w2'])
  report('w1', ['w2'], 800)
  t.deepEqual(await pairs(), [])
  t.is(registry.links.of('w2', 'w1'), 800)
})

test('link probes - a slow link that cannot be measured again is left alone after a while', async t => {
  const { join, report, pairs, wait } = await setting(t)
  for (const worker of ['w1', 'w2', 'w3']) join(worker)
  await pairs()
  report('w1', ['w2', 'w3'], 900)
  report('w2', ['w3'], 5)
  for (let i = 0; i < 2; i++) {
    t.deepEqual(await pairs(), ['w2 > w3'])
    wait(31_000)
  }
  t.deepEqual(await pairs(), [])
})

test('link probes - what an earlier supervisor had measured stands', async t => {
  const { join, report, pairs, newProbes } = await setting(t)
  for (const worker of ['w1', 'w2', 'w3']) join(worker)
  report('w1', ['w2', 'w3'])
  t.deepEqual(await pairs(newProbes()), ['w2 > w3'])
})

test('link probes - a pair that cannot be measured keeps the others waiting for a while only', async t => {
  const { join, pairs, wait } = await setting(t)
  join('w1')
  join('w2')
  t.deepEqual(await pairs(), ['w1 > w2'])
  join('w3')
  t.deepEqual(await pairs(), ['w1 > w2'])
  wait(31_000)
  t.deepEqual(await pairs(), ['w1 > w3', 'w2 > w3'])
})

test('link probes - of many workers are spread over rounds, each pair once', async t => {
  const { written, join, report, pairs } = await setting(t)
  const names = Array.from({ length: 20 }, (_, i) => `w${i + 1}`)
  for (const name of names) join(name)
  const measured = new Map<string, string[]>(names.map(name => [name, []]))
  for (let asked = await pairs(); asked.length > 0; asked = await pairs()) {
    for (const one of written.values())
      t.true((one?.measure.length ?? 0) <= 8 && (one?.accept.length ?? 0) <= 8)
    for (const pair of asked) {
      const [from = '', to = ''] = pair.split(' > ')
      t.false(measured.get(from)?.includes(to))
      measured.get(from)?.push(to)
    }
    for (const [from, to] of measured) report(from, to)
  }
  t.is([...measured.values()].flat().length, (20 * 19) / 2)
})
