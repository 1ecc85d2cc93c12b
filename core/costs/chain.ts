import { type Chain, type PlanProblem } from '../planner/index.js'
import { type Costs, type CrossingCosts, type Rate } from './costs.js'

/**
 * What a worker spends on taking in a message, or on sending one, beside its codec: the MQTT client, and the way to and
 * from the thread of the session. Measured with digits.onnx, 3,000 frames on one worker and on two: 1.0 to 1.2 ms of
 * processor time per frame and worker beside runs and codec, on a machine that takes 50 ms for ResNet-50.
 */
export const HANDLING_MS = 0.5

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
      sendMs: HANDLING_MS + timeOf(codec.encode, bytes) + cutMsBefore,
      receiveMs: HANDLING_MS + timeOf(codec.decode, bytes) + cutMsAfter,
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
