import test from 'ava'
import { placedInOrder } from '../../../core/planner/index.js'
import { codeOf } from '../../support/errors.js'
import { smallProblem } from './problems.js'

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
