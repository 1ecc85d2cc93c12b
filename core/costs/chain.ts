import { type Chain, type PlanProblem } from '../planner/index.js'
import { type Costs, type CrossingCosts, type Rate } from './costs.js'

/**
 * What a message between two workers costs both of them together, beside its codec, where it was not measured: as on a
 * machine that takes 50 ms for ResNet-50.
 */
export const TYPICAL_TRANSPORT: Rate = { msPerMessage: 1, msPerByte: 2e-6 }

/** A model's costs as a planner takes them: of one core of the machine that they were measured on. */
export function chainOf({ blocks, crossings, codec, transport }: Costs): Chain {
  // Sender and receiver are about even.
  const way = (bytes: number) => timeOf(transport, bytes) / 2
  return {
    blocks: blocks.map(({ computeMs, weightBytes, activationBytes }) => ({
      computeMs,
      weightBytes,
      activationBytes,
    })),
    crossings: crossings.map(({ bytes, tensors, cutMsBefore, cutMsAfter }: CrossingCosts) => ({
      bytes,
      tensors,
      sendMs: way(bytes) + timeOf(codec.encode, bytes) + cutMsBefore,
      receiveMs: way(bytes) + timeOf(codec.decode, bytes) + cutMsAfter,
    })),
  }
}

/** A worker's memory beside weights and activations: a process with one session in it. */
export function memoryFactorsOf({
  memory,
}: Pick<Costs, 'memory'>): Pick<PlanProblem, 'processBytes' | 'weightFactor'> {
  const { processBytes, sessionBytes, weightFactor } = memory
  return { processBytes: processBytes + sessionBytes, weightFactor }
}

export function timeOf({ msPerMessage, msPerByte }: Rate, bytes: number): number {
  return msPerMessage + msPerByte * bytes
}
