import test from 'ava'
import { Deliveries } from '../../../actors/supervisor/deliveries.js'
import { WorkerRegistry } from '../../../actors/supervisor/registry.js'
import { type ActorProgress } from '../../../core/control/index.js'
import { planOf } from '../../support/dispatching.js'

const PREDICTED = { bottleneckMs: 100, bottleneck: 'a', fps: 10, latencyMs: 200, unused: [] }

/** Two stages of a pipeline that may take 100 ms a frame: `a`, then `b`, or `b` and `c` in turns. */
function setting({ replicas = false, change = {} } = {}) {
  const registry = new WorkerRegistry({ deadAfterMs: 1e9, acceptablePauseMs: 1e9 }, () => 0)
  const [first] = planOf(1).stages
  if (first === undefined) throw new Error('a plan has a stage')
  const second = { ...first, stage: 1, worker: 'b' }
  const others = replicas ? [{ ...second, worker: 'c', replica: 1, weight: 3 }] : []
  const stages = [{ ...first, worker: 'a' }, second, ...others]
  const plan = planOf(1, { stages, predicted: PREDICTED, ...change })
  const deliveries = new Deliveries(registry, () => [plan])
  const beat = (worker: string, actor: Partial<ActorProgress>) => {
    const counts = { frames: 1, failures: 0, waiting: 0, running: 0, runMs: 1, bytesIn: 1, bytesOut: 1 }
    const key = { pipeline: 'p', epoch: 1, stage: 0, replica: 0, link: 'peer' as const }
    const message = { worker, incarnation: 1, at: 0, rssBytes: 1, actors: [{ ...key, ...counts, ...actor }] }
    registry.beaten(message)
    deliveries.beaten(message)
  }
  for (const worker of ['a', 'b', 'c']) {
    registry.born({ worker, incarnation: 1, cores: 1, memoryBytes: 1, bornAt: 1 })
  }
  const links = ['b', 'c'].map(to => ({ to, mbps: 100, rttMs: 1 }))
  registry.reported({ worker: 'a', incarnation: 1, term: 1, activations: [], links })
  const waits = (waiting: number) => beat('b', { stage: 1, waiting })
  waits(0)
  const tell = (mbps: number, ms: number, to = 'b') => {
    beat('a', { deliveries: [{ to, mbps, ms, agoMs: 0 }] })
    return registry.links.of('a', to)
  }
  return { registry, tell, waits, beat }
}

test('deliveries - a link that takes as long for a frame as the plan allows counts as slower', t => {
  const { tell } = setting()
  t.is(tell(20, 79), 100)
  t.is(tell(20, 80), 20)
  t.is(tell(18, 90), 20, 'it is about the same')
  t.is(tell(15, 110), 15)
})

test('deliveries - one that does more is believed, or measured where messages are short', t => {
  const { tell, registry } = setting()
  t.is(tell(20, 80), 20)
  t.is(tell(25, 20), 20)
  t.is(tell(27, 20), 27)
  t.is(tell(40, 19), 27)
  t.true(registry.links.isDoubtful('a', 'b'))
})

test('deliveries - how fast a link is that is fast enough by all that is known is no matter', t => {
  const { tell, registry } = setting()
  t.is(tell(200, 9), 100)
  t.false(registry.links.isDoubtful('a', 'b'))
  t.is(tell(200, 11), 100)
  t.true(registry.links.isDoubtful('a', 'b'), 'at 100 Mbit/s it would take 22 ms')
})

test('deliveries - a link to a stage that has other frames to run is not what holds it up', t => {
  const { tell, waits } = setting()
  waits(3)
  t.is(tell(20, 500), 100)
  waits(2)
  t.is(tell(20, 500), 20)
})

test('deliveries - a replica has more time for each of its frames', t => {
  for (const [to, ms] of [
    ['b', 320],
    ['c', 107],
  ] as const) {
    const { tell, beat } = setting({ replicas: true })
    beat('c', { stage: 1, replica: 1 })
    t.is(tell(20, ms - 1, to), 100)
    t.is(tell(20, ms, to), 20)
  }
})

test('deliveries - a short time says nothing, nor one of an unknown plan or link', t => {
  const fast = setting({ change: { predicted: { ...PREDICTED, bottleneckMs: 1 } } })
  t.is(fast.tell(20, 19), 100)
  t.is(fast.tell(20, 20), 20)
  t.is(setting({ change: { epoch: 2 } }).tell(20, 500), 100)
  t.is(setting({ change: { predicted: undefined } }).tell(20, 500), 100)
  t.is(setting().tell(20, 500, 'd'), undefined)
})
