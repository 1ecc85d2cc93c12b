import { MillraceError } from '../../errors.js'
import { type PlanProblem } from '../problem.js'

/**
 * Refuses problems on which a search would go wrong without a word.
 * @throws PLAN_PROBLEM_INVALID
 */
export function checkProblem({ chain, devices, network, pinned }: PlanProblem): void {
  const { blocks, crossings } = chain
  if (blocks.length === 0) refuse('the chain has no blocks')
  if (crossings.length !== blocks.length + 1) {
    refuse(`${blocks.length} blocks have ${blocks.length + 1} crossings, not ${crossings.length}`)
  }
  blocks.forEach((block, i) => checkNumbers(`block ${i}`, { ...block }))
  crossings.forEach((crossing, i) => checkNumbers(`crossing ${i}`, { ...crossing }))
  if (devices.length === 0) refuse('there are no devices')
  const ids = devices.map(({ id }) => id)
  const twice = ids.find((id, i) => ids.indexOf(id) !== i)
  if (twice !== undefined) refuse(`two devices have the id ${twice}`)
  for (const { id, speed } of devices) {
    if (!(speed > 0 && speed < Infinity)) refuse(`device ${id} has speed ${speed}; it must be above 0`)
  }
  const size = devices.length + 1
  const rows = network.rates.length === size && network.rates.every(row => row.length === size)
  if (!rows) refuse(`network.rates must have ${size} rows of ${size}: the devices, and the dispatcher last`)
  if (network.rates.flat().some(rate => !(rate >= 0))) refuse('network.rates must not be negative')
  for (const [block, device] of pinned ?? []) {
    if (blocks[block] === undefined || devices[device] === undefined) {
      refuse(`block ${block} is pinned to device ${device}; there is no such block or device`)
    }
  }
}

function checkNumbers(of: string, fields: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(fields)) {
    if (!(value >= 0 && value < Infinity)) refuse(`${name} of ${of} is ${value}; it must be 0 or more`)
  }
}

function refuse(what: string): never {
  throw new MillraceError('PLAN_PROBLEM_INVALID', `the planning problem is malformed: ${what}`)
}
