import { type Chain, type PlanProblem } from '../planner/index.js'
import { type Costs, type CrossingCosts, type Rate } from './costs.js'

/**
 * What a message between two workers costs both of them together, beside its codec, where it was not measured: as on a
 * machine that takes 50 ms for ResNet-50.
 */
export const TYPICAL_TRANSPORT: Rate = { msPerMessage: 2, msPerByte: 3e-6 }

/**
 * V8 frees the buffers of messages when it has made so many bytes of them since it last did, in each thread; or when it
 * tidies up for another reason, which comes to about so many messages. Seen in workers of ResNet-50, MobileNetV2 and a
 * vision transformer, in three parts and whole.
 */
const MOST_BUFFER_BYTES = 2 ** 26
const BUFFERED_MESSAGES = 20

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
      bufferBytes: Math.min(MOST_BUFFER_BYTES, BUFFERED_MESSAGES * bytes),
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
