import test from 'ava'
import fc from 'fast-check'
import { type Candidate, reassign } from '../../../actors/supervisor/reassign.js'
import { type Placed } from '../../../actors/supervisor/placement.js'
import { type PreparedPart } from '../../../actors/supervisor/workshop/messages.js'

function part(computeMs: number, weightBytes = 10): PreparedPart {
  const sha256 = `${computeMs}/${weightBytes}`
  const tensors = { receives: [], carries: [], sends: [] }
  return {
    part: { sha256, bytes: 1 },
    ...tensors,
    operators: 1,
    weightBytes,
    outBytes: 1,
    computeMs,
    memoryBytes: weightBytes,
  }
}

const memoryOf = ({ memoryBytes }: PreparedPart) => memoryBytes
const nobody = { refuses: () => false, holds: () => false }

function on(part: PreparedPart, ...workers: string[]): Placed {
  return { part, replicas: workers.map(worker => ({ worker, weight: 1 })) }
}

function worker(worker: string, memoryBytes = 100, speed = 1): Candidate {
  return { worker, memoryBytes, speed }
}

/** The workers of each stage, or the stage that nobody can take. */
function outcome(...given: Parameters<typeof reassign>): string[] | string {
  const result = reassign(...given)
  if ('stranded' in result) {
    const { stage, needsBytes, mostBytes } = result.stranded
    return `${stage} needs ${needsBytes}, ${mostBytes ?? 'nobody'} left`
  }
  return result.placed.map(({ replicas }) => replicas.map(({ worker }) => worker).join('+'))
}

test('a reassignment - moves what was lost, and only that, to a worker that is free', t => {
  const placed = [on(part(5), 'a'), on(part(5), 'b'), on(part(5), 'c')]
  const left = [worker('a'), worker('c'), worker('spare')]
  t.deepEqual(outcome(placed, left, memoryOf, nobody), ['a', 'spare', 'c'])
})

test('a reassignment - a stage that has another replica goes on with it', t => {
  const placed = [on(part(5), 'a', 'b'), on(part(5), 'c')]
  t.deepEqual(outcome(placed, [worker('b'), worker('c'), worker('d')], memoryOf, nobody), ['b', 'c'])
})

test('a reassignment - without a free worker, the one that is done soonest takes two stages', t => {
  const placed = [on(part(5), 'a'), on(part(1), 'b'), on(part(3), 'c')]
  t.deepEqual(outcome(placed, [worker('b'), worker('c')], memoryOf, nobody), ['b', 'b', 'c'])
  t.deepEqual(outcome(placed, [worker('b'), worker('c', 100, 4)], memoryOf, nobody), ['c', 'b', 'c'])
})

test('a reassignment - memory comes before speed, down to one worker', t => {
  const placed = [on(part(5, 60), 'a'), on(part(5, 60), 'b')]
  t.deepEqual(outcome(placed, [worker('b', 100), worker('c', 60, 0.1)], memoryOf, nobody), ['c', 'b'])
  t.deepEqual(outcome(placed, [worker('b', 120)], memoryOf, nobody), ['b', 'b'])
})

test('a reassignment - that is not possible says which stage lacks how much', t => {
  const placed = [on(part(5, 60), 'a'), on(part(5, 60), 'b')]
  t.is(outcome(placed, [worker('b', 100)], memoryOf, nobody), '0 needs 60, 40 left')
  t.is(outcome(placed, [], memoryOf, nobody), '0 needs 60, nobody left')
})

test('a reassignment - a worker that failed with a partition is not asked again', t => {
  const placed = [on(part(5), 'a'), on(part(4), 'b')]
  const refuses = (worker: string, { computeMs }: PreparedPart) => worker === 'a' && computeMs === 5
  t.deepEqual(outcome(placed, [worker('a'), worker('b')], memoryOf, { ...nobody, refuses }), ['b', 'b'])
  t.is(outcome(placed, [worker('a')], memoryOf, { ...nobody, refuses }), '0 needs 10, nobody left')
})

test('a reassignment - keeps to memory, moves nothing that lives, and does not depend on the order of workers', t => {
  const names = ['a', 'b', 'c', 'd', 'e']
  const ofParts = fc.array(
    fc.record({
      computeMs: fc.integer({ min: 1, max: 9 }),
      bytes: fc.integer({ min: 1, max: 50 }),
      home: fc.constantFrom(...names),
    }),
    { minLength: 1, maxLength: 6 },
  )
  const ofWorkers = fc.uniqueArray(
    fc.record({
      worker: fc.constantFrom(...names),
      memoryBytes: fc.integer({ min: 300, max: 600 }),
      speed: fc.constantFrom(0.5, 1, 2),
    }),
    { selector: ({ worker }) => worker, maxLength: 5 },
  )
  fc.assert(
    fc.property(ofParts, ofWorkers, (parts, workers) => {
      const placed = parts.map(({ computeMs, bytes, home }) => on(part(computeMs, bytes), home))
      const result = outcome(placed, workers, memoryOf, nobody)
      t.deepEqual(outcome(placed, [...workers].reverse(), memoryOf, nobody), result)
      if (typeof result === 'string') return t.is(workers.length, 0)
      for (const [stage, { home }] of parts.entries())
        if (workers.some(({ worker }) => worker === home)) t.is(result[stage], home)
      for (const { worker, memoryBytes } of workers) {
        const used = parts.filter((_, stage) => result[stage] === worker)
        t.true(used.reduce((sum, { bytes }) => sum + bytes, 0) <= memoryBytes)
      }
    }),
  )
})
