import { type Chain, type PlanProblem } from '../planner/index.js'
import { type Costs, type CrossingCosts, type Rate } from './costs.js'

/** A model's costs as a planner takes them: of one core of the machine that they were measured on. */
export function chainOf({ blocks, crossings, codec }: Costs): Chain {
  return {
    blocks: blocks.map(({ computeMs, weightBytes, activationBytes }) => ({
      computeMs,
      weightBytes,
      activationBytes,
    })),
    crossings: crossings.map(({ bytes, tensors, cutMsBefore, cutMsAfter }: CrossingCosts) => ({
      bytes,
      tensors,
      sendMs: timeOf(codec.encode, bytes) + cutMsBefore,
      receiveMs: timeOf(codec.decode, bytes) + cutMsAfter,
    })),
  }
}

/** A worker's memory beside weights and activations: a process with one session in it. */
export function memoryFactorsOf({ memory }: Costs): Pick<PlanProblem, 'processBytes' | 'weightFactor'> {
  const { processBytes, sessionBytes, weightFactor } = memory
  return { processBytes: processBytes + sessionBytes, weightFactor }
}

export function timeOf({ msPerMessage, msPerByte }: Rate, bytes: number): number {
  return msPerMessage + msPerByte * bytes
}
