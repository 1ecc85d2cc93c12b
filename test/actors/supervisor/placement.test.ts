import test from 'ava'
import {
  activationsOf,
  leastWindowOf,
  type Placed,
  planStagesOf,
  windowOf,
} from '../../../actors/supervisor/placement.js'
import { WorkerRegistry } from '../../../actors/supervisor/registry.js'
import { type Activation, type Spec } from '../../../core/control/index.js'
import { type LinkKind } from '../../../core/link.js'
import { rejection, TOPICS } from '../../support/actors.js'

const SPEC: Spec = {
  pipeline: 'p',
  deployment: 'd',
  model: { sha256: '0'.repeat(64), bytes: 1, name: 'm' },
  lz4: 'never',
  links: 'auto',
  deployTimeoutMs: 1_000,
}

/** Workers that are alive; those named in `lacking` have no inbox. */
function registryOf(workers: readonly string[], lacking: readonly string[] = []): WorkerRegistry {
  const registry = new WorkerRegistry({ deadAfterMs: 60_000, acceptablePauseMs: 60_000 })
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

type Stage = string | Readonly<Record<string, number>>

/** Each stage on a worker, or with replicas of these weights on several. */
function placedOn(...stages: Stage[]): Placed[] {
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
  const replicasOf = (stage: Stage) =>
    typeof stage === 'string'
      ? [{ worker: stage, weight: 1 }]
      : Object.entries(stage).map(([worker, weight]) => ({ worker, weight }))
  return stages.map(stage => ({ part, replicas: replicasOf(stage) }))
}

interface Options {
  readonly links?: Spec['links']
  readonly lacking?: readonly string[]
  readonly epoch?: number
}

/** The activations in the order of their stages and replicas, and the messages that carry them, per worker. */
function assign(where: readonly Stage[], { links = 'auto', lacking = [], epoch = 1 }: Options = {}) {
  const placed = placedOn(...where)
  const workers = placed.flatMap(({ replicas }) => replicas.map(({ worker }) => worker))
  const parts = { topics: TOPICS, registry: registryOf(workers, lacking), term: 1 }
  const byWorker = activationsOf({ ...SPEC, links }, placed, parts, epoch)
  const stages = [...byWorker.values()].flat().sort((a, b) => a.stage - b.stage || a.replica - b.replica)
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
    [...stages.slice(1).map(({ inbox }) => [{ ...inbox, weight: 1 }]), undefined],
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

const REPLICATED: readonly Stage[] = [{ w1: 1, w2: 1 }, { w3: 2, w4: 1, w5: 1 }, 'w6']

test('a placement - gives each replica an inbox, and all of them to each replica of the stage before', t => {
  const { stages, messages } = assign(REPLICATED)
  t.deepEqual(
    stages.map(({ stage, replica, inbox }) => [stage, replica, inbox.topic, inbox.worker]),
    [
      [0, 0, TOPICS.data.stage('p', 1, 0, 0), 'w1'],
      [0, 1, TOPICS.data.stage('p', 1, 0, 1), 'w2'],
      [1, 0, TOPICS.data.stage('p', 1, 1, 0), 'w3'],
      [1, 1, TOPICS.data.stage('p', 1, 1, 1), 'w4'],
      [1, 2, TOPICS.data.stage('p', 1, 1, 2), 'w5'],
      [2, 0, TOPICS.data.stage('p', 1, 2, 0), 'w6'],
    ],
  )
  const addresses = (stage: number, ...weights: number[]) =>
    stages
      .filter(one => one.stage === stage)
      .map(({ inbox }, replica) => ({ ...inbox, weight: weights[replica] }))
  const [middle, last] = [addresses(1, 2, 1, 1), addresses(2, 1)]
  t.deepEqual(
    stages.map(({ next }) => next),
    [middle, middle, last, last, last, undefined],
  )
  const users = stages.flatMap(({ inbox }) => inbox.peer?.username ?? [])
  t.is(new Set(users).size, 4)
  const secrets = passwords(stages)
  t.is(new Set(secrets).size, 4)
  const knowing = (secret = '') => [...messages].flatMap(([id, text]) => (text.includes(secret) ? [id] : []))
  t.deepEqual(
    secrets.map(secret => knowing(secret).join(' ')),
    ['w1 w2 w3', 'w1 w2 w4', 'w1 w2 w5', 'w3 w4 w5 w6'],
  )
})

test('a placement - has room for frames for all replicas, in the window and in each inbox', t => {
  const { stages } = assign(REPLICATED)
  t.is(windowOf(SPEC, 6), 28)
  t.is(windowOf({ ...SPEC, window: 5 }, 6), 5)
  for (const { inboxFrames } of stages) t.true(inboxFrames >= 28)
  const registry = registryOf(['w1'])
  const leastOf = (...where: Stage[]) =>
    leastWindowOf(planStagesOf(SPEC, placedOn(...where), { topics: TOPICS, registry }, 1))
  t.is(leastOf(...REPLICATED), leastOf('w1', 'w2', 'w3') + 3)
})

test('a placement - lists stages in their order, and the replicas of each with their weights', t => {
  const workers = ['w1', 'w2', 'w3', 'w4', 'w5', 'w6']
  const registry = registryOf(workers)
  const activation = { pipeline: 'p', epoch: 1, stage: 1, replica: 2, state: 'ready' as const }
  registry.reported({
    worker: 'w5',
    incarnation: 1,
    term: 1,
    activations: [{ ...activation, link: 'peer' }],
  })
  const plan = planStagesOf(SPEC, placedOn(...REPLICATED), { topics: TOPICS, registry }, 1)
  t.deepEqual(
    plan.map(({ stage, replica, worker, weight, link }) => [stage, replica, worker, weight, link]),
    [
      [0, 0, 'w1', 1, 'broker'],
      [0, 1, 'w2', 1, 'broker'],
      [1, 0, 'w3', 2, 'broker'],
      [1, 1, 'w4', 1, 'broker'],
      [1, 2, 'w5', 1, 'peer'],
      [2, 0, 'w6', 1, 'broker'],
    ],
  )
})

test('a placement - refuses links straight to a worker without an inbox if any replica before is elsewhere', async t => {
  const options = { links: 'peer', lacking: ['w1'] } as const
  t.is(await codeOf(() => assign([{ w1: 1, w2: 1 }, 'w1'], options)), 'LINK_UNREACHABLE')
  t.is(await codeOf(() => assign(['w1', { w1: 1, w2: 1 }], options)), undefined)
})
