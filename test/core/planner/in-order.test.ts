import test from 'ava'
import fc from 'fast-check'
import { cutInOrder, placedInOrder } from '../../../core/planner/index.js'
import { type PlanProblem } from '../../../core/planner/problem.js'
import { codeOf } from '../../support/errors.js'
import { fittingMs, startsFrom } from './brute-force.js'
import { problems, smallProblem } from './problems.js'

/** Four blocks of 10 bytes on devices that have such room beside the 100 bytes of a process. */
function problemOf(...rooms: number[]) {
  const problem = smallProblem({ devices: rooms.length, rate: 1, memoryBytes: 0 })
  const devices = problem.devices.map((device, i) => ({ ...device, memoryBytes: 100 + (rooms[i] ?? 0) }))
  return { ...problem, devices }
}

const hosts = (rooms: readonly number[], starts = [0, 1, 2, 3]) =>
  placedInOrder(problemOf(...rooms), starts).hosts

test('parts in order - are spread evenly where memory is enough', t => {
  t.deepEqual(hosts([99, 99, 99]), [0, 0, 1, 2])
  t.deepEqual(hosts([99, 99]), [0, 0, 1, 1])
  t.deepEqual(hosts([99, 99, 99], [0, 2]), [0, 1])
})

test('parts in order - pass by who has no room for them', t => {
  t.deepEqual(hosts([5, 99], [0]), [1])
  t.deepEqual(hosts([10, 99]), [0, 1, 1, 1])
  t.deepEqual(hosts([5, 20, 5, 20]), [1, 1, 3, 3])
  t.deepEqual(hosts([10, 5, 10, 20]), [0, 2, 3, 3])
})

test('parts in order - neighbours on one device are one stage', t => {
  t.deepEqual(placedInOrder(problemOf(10, 99), [0, 1, 2, 3]).stages, [
    { from: 0, to: 1, devices: [0] },
    { from: 1, to: 4, devices: [1] },
  ])
})

test('parts in order - that do not fit are refused, with what lacks', t => {
  t.is(
    codeOf(() => hosts([5, 19], [0, 2])),
    'PLAN_INFEASIBLE',
  )
  t.throws(() => hosts([5, 19], [0, 2]), { message: /2 parts.*part 0.*w1/ })
  t.throws(() => hosts([30, 5, 5], [0, 2]), { message: /in their order/ })
})

/** With part i on device i; Infinity where it does not fit. */
function inOrderMs(problem: PlanProblem, starts: readonly number[]): number {
  const stages = starts.map((from, i) => {
    const to = starts[i + 1] ?? problem.chain.blocks.length
    return { from, to, devices: [i] }
  })
  return fittingMs(problem, stages)
}

test('parts in order - are cut so that nothing could be faster on unequal devices and links', t => {
  let finite = 0
  fc.assert(
    fc.property(
      problems({ minDevices: 1, maxDevices: 4, minBlocks: 4, maxBlocks: 8 }),
      fc.integer({ min: 1, max: 4 }),
      (problem, wanted) => {
        const parts = Math.min(wanted, problem.devices.length)
        const all = startsFrom(0, parts, problem.chain.blocks.length)
        const best = Math.min(...all.map(starts => inOrderMs(problem, starts)))
        if (best === Infinity) return
        finite++
        const ms = inOrderMs(problem, cutInOrder(problem, parts))
        t.true(Math.abs(ms - best) <= 1e-9 * best, `${ms} and ${best}`)
      },
    ),
    { numRuns: 500 },
  )
  t.true(finite > 100, `${finite}`)
})

test('parts in order - the slower device of two has fewer blocks', t => {
  const problem = smallProblem({ devices: 2, rate: 100, memoryBytes: 1_000 })
  const [one, other] = problem.devices
  if (one === undefined || other === undefined) return t.fail()
  const unequal = { ...problem, devices: [{ ...one, speed: 0.3 }, other] }
  t.deepEqual(cutInOrder(problem, 2), [0, 2])
  t.deepEqual(cutInOrder(unequal, 2), [0, 1])
})

test('parts in order - that have to share devices are cut as evenly as for one each', t => {
  const problem = smallProblem({ devices: 2, rate: 100, memoryBytes: 1_000 })
  t.deepEqual(cutInOrder(problem, 4), [0, 1, 2, 3])
})
