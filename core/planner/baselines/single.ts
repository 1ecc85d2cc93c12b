import { fastest, fits, indices, type Planner } from './planner.js'

/** The whole model on the one device where it is fastest, of those that have memory for it. */
export const single: Planner = problem => {
  const to = problem.chain.blocks.length
  if (to === 0) return undefined
  const able = indices(problem.devices.length).filter(device => fits(problem, 0, to, device))
  return fastest(
    problem,
    able.map(device => [{ from: 0, to, devices: [device] }]),
  )
}
