import test from 'ava'
import { activationsOf, type Placed, planStagesOf } from '../../../actors/supervisor/placement.js'
import { WorkerRegistry } from '../../../actors/supervisor/registry.js'
import { type Activation, type Spec } from '../../../core/control.js'
import { type LinkKind } from '../../../core/link.js'
import { rejection, TOPICS } from '../../support/actors.js'

const SPEC: Spec = {
  pipeline: 'p',
  deployment: 'd',
  model: { sha256: '0'.repeat(64), bytes: 1, name: 'm' },
  lz4: false,
  links: 'auto',
  deployTimeoutMs: 1_000,
}

/** Workers that are alive; those named in `lacking` have no inbox. */
function registryOf(workers: readonly string[], lacking: readonly string[] = []): WorkerRegistry {
  const registry = new WorkerRegistry(60_000)
  for (const worker of workers) {
    const about = { worker, incarnation: 1, cores: 1, memoryBytes: 1, bornAt: 1 }
    registry.born(lacking.includes(worker) ? about : { ...about, inbox: urlOf(worker) })
    registry.beaten({ worker, incarnation: 1, at: 1, rssBytes: 1, actors: [] })
  }
  return registry
}

function urlOf(worker: string): string {
  return `mqtt://${worker}:1884`
}

function placedOn(...workers: string[]): Placed[] {
  const part = {
    part: { sha256: '1'.repeat(64), bytes: 1 },
    receives: ['x'],
    carries: [],
    sends: ['y'],
    operators: 1,
    weightBytes: 1,
    outBytes: 1,
    computeMs: 1,
    memoryBytes: 1,
  }
  return workers.map(worker => ({ part, replicas: [{ worker, weight: 1 }] }))
}

interface Options {
  readonly links?: Spec['links']
  readonly lacking?: readonly string[]
  readonly epoch?: number
}

/** The activations in the order of their stages, and the messages that carry them, per worker. */
function assign(workers: readonly string[], { links = 'auto', lacking = [], epoch = 1 }: Options = {}) {
  const where = { topics: TOPICS, registry: registryOf(workers, lacking), term: 1 }
  const byWorker = activationsOf({ ...SPEC, links }, placedOn(...workers), where, epoch)
  const stages = [...byWorker.values()].flat().sort((a, b) => a.stage - b.stage)
  const messages = new Map([...byWorker].map(([worker, list]) => [worker, JSON.stringify(list)]))
  return { stages, messages }
}

function passwords(stages: readonly Activation[]): string[] {
  return stages.flatMap(({ inbox }) => (inbox.peer === undefined ? [] : [inbox.peer.password]))
}

async function codeOf(act: () => unknown) {
  return rejection(Promise.resolve().then(act))
}

test('a placement - gives the way into an inbox to its worker and the one before, and to nobody else', t => {
  const { stages, messages } = assign(['w1', 'w2', 'w3', 'w4'])
  t.deepEqual(
    stages.map(({ inbox }) => inbox.peer?.url),
    [undefined, ...['w2', 'w3', 'w4'].map(urlOf)],
  )
  t.deepEqual(
    stages.map(({ next }) => next),
    [...stages.slice(1).map(({ inbox }) => inbox), undefined],
  )
  for (const [i, password] of passwords(stages).entries()) {
    t.true(password.length >= 32)
    const knowing = [...messages].flatMap(([worker, text]) => (text.includes(password) ? [worker] : []))
    t.deepEqual(knowing, [`w${i + 1}`, `w${i + 2}`])
  }
})

test('a placement - has a password of its own for each inbox and each epoch', t => {
  const all = [1, 2, 3].flatMap(epoch => passwords(assign(['w1', 'w2', 'w3', 'w4'], { epoch }).stages))
  t.is(all.length, 9)
  t.is(new Set(all).size, 9)
})

test("a placement - sends through the cluster's broker where that is asked for, or a worker has no inbox", t => {
  const asked = assign(['w1', 'w2', 'w3'], { links: 'broker' }).stages
  t.deepEqual(passwords(asked), [])
  const lacking = assign(['w1', 'w2', 'w3'], { lacking: ['w2'] }).stages
  t.deepEqual(
    lacking.map(({ inbox }) => inbox.peer?.url),
    [undefined, undefined, urlOf('w3')],
  )
})

test('a placement - marks inboxes that nobody may reach in another way', t => {
  const only = (links: Spec['links']) => assign(['w1', 'w2'], { links }).stages[1]?.inbox.peer?.only
  t.deepEqual([only('peer'), only('auto')], [true, false])
})

test('a placement - refuses links straight to a worker that has no inbox', async t => {
  const workers = ['w1', 'w2', 'w3']
  t.is(await codeOf(() => assign(workers, { links: 'peer', lacking: ['w3'] })), 'LINK_UNREACHABLE')
  // Frames come to the first stage from dispatchers, and to the second of one worker by reference.
  t.is(await codeOf(() => assign(workers, { links: 'peer', lacking: ['w1'] })), undefined)
  t.is(await codeOf(() => assign(['w1', 'w1'], { links: 'peer', lacking: ['w1'] })), undefined)
})

test('a placement - tells everybody the topics and the ways that links go, but no way into an inbox', t => {
  const workers = ['w1', 'w2', 'w3']
  const { stages } = assign(workers)
  const registry = registryOf(workers)
  const links: LinkKind[] = ['peer', 'local', 'broker']
  for (const [stage, worker] of workers.entries()) {
    const activation = { pipeline: 'p', epoch: 1, stage, replica: 0, state: 'ready' as const }
    const link = links[stage] ?? 'broker'
    registry.reported({ worker, incarnation: 1, term: 1, activations: [{ ...activation, link }] })
  }
  const plan = planStagesOf(SPEC, placedOn(...workers), { topics: TOPICS, registry }, 1)
  t.deepEqual(
    plan.map(({ link }) => link),
    links,
  )
  t.deepEqual(
    plan.map(({ inbox }) => inbox),
    stages.map(({ inbox }) => ({ topic: inbox.topic })),
  )
  for (const secret of passwords(stages)) t.false(JSON.stringify(plan).includes(secret))
})
