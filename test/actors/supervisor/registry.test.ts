import test from 'ava'
import fc from 'fast-check'
import { WorkerRegistry } from '../../../actors/supervisor/registry.js'

const SILENCE = { deadAfterMs: 3_000, acceptablePauseMs: 600 }
/** Longer than any silence that may be a pause of a worker that has just beaten for the first time. */
const TOO_LONG_MS = 1_500

function birth(worker: string, incarnation = 1) {
  return { worker, incarnation, cores: 1, memoryBytes: 1, bornAt: 0 }
}

function beat(worker: string, incarnation = 1) {
  return { worker, incarnation, at: 0, rssBytes: 1, actors: [] }
}

function actual(worker: string, incarnation = 1) {
  return { worker, incarnation, term: 1, activations: [] }
}

function registry() {
  const clock = { now: 0 }
  const workers = new WorkerRegistry(SILENCE, () => clock.now)
  /** Time goes by, and silence is judged all the while. */
  const pass = (ms: number) => {
    for (const end = clock.now + ms; clock.now < end;) {
      clock.now = Math.min(clock.now + 100, end)
      workers.judge()
    }
  }
  return { clock, workers, pass, names: () => workers.alive().map(({ birth }) => birth.worker) }
}

test('the registry - a worker is alive once it has been born and has beaten, in any order', t => {
  const { workers, names } = registry()
  workers.born(birth('a'))
  t.deepEqual(names(), [])
  workers.beaten(beat('a'))
  workers.beaten(beat('b'))
  t.deepEqual(names(), ['a'])
  workers.born(birth('b'))
  t.deepEqual(names(), ['a', 'b'])
})

test('the registry - a worker that is silent for too long is not alive until it beats again', t => {
  const { workers, pass, names } = registry()
  const changes: string[][] = []
  workers.born(birth('a'))
  workers.beaten(beat('a'))
  workers.change$.subscribe(() => changes.push(names()))
  pass(SILENCE.acceptablePauseMs)
  t.deepEqual(names(), ['a'])
  pass(TOO_LONG_MS - SILENCE.acceptablePauseMs)
  t.deepEqual(names(), [])
  workers.beaten(beat('a'))
  t.deepEqual(names(), ['a'])
  t.deepEqual(changes, [[], ['a']])
})

test('the registry - silence while the listener itself was held up proves nothing', t => {
  const { clock, workers, pass, names } = registry()
  workers.born(birth('a'))
  workers.beaten(beat('a'))
  clock.now += 60_000
  workers.judge()
  t.deepEqual(names(), ['a'])
  pass(TOO_LONG_MS)
  t.deepEqual(names(), [])
})

test('the registry - settles until those that were born have beaten, or have had time to', t => {
  const { workers, pass } = registry()
  t.false(workers.isSettling())
  workers.born(birth('a'))
  t.true(workers.isSettling())
  workers.beaten(beat('a'))
  t.false(workers.isSettling())
  workers.born(birth('gone'))
  t.true(workers.isSettling())
  pass(TOO_LONG_MS)
  t.false(workers.isSettling())
})

test('the registry - a worker that beats seldom may be silent for longer', t => {
  const { workers, pass, names } = registry()
  workers.born({ ...birth('a'), beatMs: 20_000 })
  workers.beaten(beat('a'))
  pass(20_000)
  t.deepEqual(names(), ['a'])
  pass(20_000)
  t.deepEqual(names(), [])
})

test('the registry - the death of an earlier incarnation changes nothing, that of this one does', t => {
  const { workers, names } = registry()
  workers.born(birth('a', 2))
  workers.beaten(beat('a', 2))
  workers.died('a', 1)
  t.deepEqual(names(), ['a'])
  workers.died('a', 2)
  t.deepEqual(names(), [])
  workers.beaten(beat('a', 2))
  t.deepEqual(names(), ['a'])
})

test('the registry - late news of an earlier incarnation changes nothing', t => {
  const { workers } = registry()
  workers.born(birth('a', 2))
  workers.beaten(beat('a', 2))
  workers.reported(actual('a', 2))
  workers.born(birth('a', 1))
  workers.beaten(beat('a', 1))
  workers.reported(actual('a', 1))
  t.deepEqual(workers.get('a'), { birth: birth('a', 2), beat: beat('a', 2), actual: actual('a', 2) })
})

test('the registry - a new incarnation is alive with its own beat, and has its own state', t => {
  const { workers } = registry()
  workers.born(birth('a', 1))
  workers.beaten(beat('a', 1))
  workers.reported(actual('a', 1))
  workers.born(birth('a', 2))
  t.is(workers.get('a'), undefined)
  workers.beaten(beat('a', 2))
  t.deepEqual(workers.get('a'), { birth: birth('a', 2), beat: beat('a', 2), actual: undefined })
})

test('the registry - a new incarnation is taken to be as fast as others until it has been rehearsed', t => {
  const { workers } = registry()
  for (const worker of ['a', 'b', 'c']) workers.born(birth(worker, 1))
  t.is(workers.rehearsedSlowdown('a'), 1)
  workers.rehearsed('a', 7)
  workers.rehearsed('b', 2)
  workers.rehearsed('c', 2)
  workers.born(birth('a', 1))
  t.is(workers.rehearsedSlowdown('a'), 7, 'it has only said so again')
  workers.born(birth('a', 2))
  t.is(workers.rehearsedSlowdown('a'), 2)
  t.is(workers.rehearsedSlowdown('d'), 2)
})

test('the registry - a worker that left is forgotten, and may come again', t => {
  const { workers, names } = registry()
  workers.born(birth('a', 5))
  workers.beaten(beat('a', 5))
  workers.left('a')
  t.deepEqual(names(), [])
  workers.born(birth('a', 1))
  workers.beaten(beat('a', 1))
  t.deepEqual(names(), ['a'])
})

test('the registry - gives workers in the natural order of their names', t => {
  const { workers, names } = registry()
  for (const worker of ['pi-10', 'pi-9', 'hub', 'pi-1']) {
    workers.born(birth(worker))
    workers.beaten(beat(worker))
  }
  t.deepEqual(names(), ['hub', 'pi-1', 'pi-9', 'pi-10'])
})

test('the registry - tells each change, after it', t => {
  const { workers, names } = registry()
  const seen: string[][] = []
  workers.change$.subscribe(() => seen.push(names()))
  workers.born(birth('a'))
  workers.beaten(beat('a'))
  workers.died('a', 0)
  workers.left('a')
  t.deepEqual(seen, [[], ['a'], []])
})

test('the registry - whatever comes in whatever order, the newest incarnation that was heard of counts', t => {
  const news = fc.array(
    fc.tuple(fc.constantFrom('born', 'beaten', 'reported'), fc.integer({ min: 1, max: 4 })),
  )
  fc.assert(
    fc.property(news, news => {
      const { workers } = registry()
      for (const [what, incarnation] of news) {
        if (what === 'born') workers.born(birth('a', incarnation))
        else if (what === 'beaten') workers.beaten(beat('a', incarnation))
        else workers.reported(actual('a', incarnation))
      }
      const newest = (kind: string) =>
        Math.max(0, ...news.filter(([what]) => what === kind).map(([, n]) => n))
      const [born, beaten, reported] = ['born', 'beaten', 'reported'].map(newest)
      const alive = born !== 0 && born === beaten
      t.is(workers.get('a')?.birth.incarnation, alive ? born : undefined)
      t.is(workers.get('a')?.actual?.incarnation, alive && reported === born ? born : undefined)
    }),
  )
})
