import { fastest, fits, indices, type Planner } from './planner.js'

/**
 * Equal numbers of blocks, give or take one, on the devices in the order given: on all of them, or on as many as there
 * are blocks.
 * Source: DEFER (arXiv 2201.06769) §III, which leaves memory to its user
 */
export const equal: Planner = problem => {
  const blocks = problem.chain.blocks.length
  const parts = Math.min(blocks, problem.devices.length)
  const start = (part: number) => Math.floor((part * blocks) / parts)
  const stages = indices(parts).map(part => ({ from: start(part), to: start(part + 1), devices: [part] }))
  const fit = stages.every(({ from, to, devices: [device = 0] }) => fits(problem, from, to, device))
  return fit && parts > 0 ? fastest(problem, [stages]) : undefined
}
