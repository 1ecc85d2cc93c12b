import { type Chain, type PlanProblem } from '../planner/index.js'
import { BYTES_PER_BYTE, type Wire } from '../wire.js'
import { type Costs, type CrossingCosts, type Rate } from './costs.js'
import { quantile } from './statistics.js'

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
const BUFFERED_MESSAGES = 40

/** A scale and a zero point take a place of their own in a message, and a name. */
const QUANTISED_EXTRA_BYTES = 200

/** A scale and a zero point. */
const CHANNEL_BYTES = 5

/** With what the pipeline that the model runs in has shown. */
export interface LiveCosts extends Costs {
  /** What LZ4 leaves of what crosses before a block, by its index; of others about what it does of these. */
  readonly packed?: ReadonlyMap<number, number>
}

/** A crossing on a wire. */
export interface WiredCrossing {
  readonly bytes: number
  readonly tensors: number
  /** What converting adds to the part before it, and to the one after it. */
  readonly encodeMs: number
  readonly decodeMs: number
}

export function wiredCrossing(
  { conversions }: Pick<Costs, 'conversions'>,
  { bytes, tensors, floatBytes, floats, channels }: CrossingCosts,
  asked: Wire,
): WiredCrossing {
  const wire = asked === 'u8c' && channels === 0 ? 'u8' : asked
  if (wire === 'f32' || floats === 0) return { bytes, tensors, encodeMs: 0, decodeMs: 0 }
  const { encode, decode } = conversions[wire]
  const extra = wire === 'f16' ? 0 : floats
  const scales = extra * QUANTISED_EXTRA_BYTES + (wire === 'u8c' ? channels * CHANNEL_BYTES : 0)
  return {
    bytes: bytes - floatBytes * (1 - BYTES_PER_BYTE[wire]) + scales,
    tensors: tensors + 2 * extra,
    encodeMs: floats * encode.msPerMessage + floatBytes * encode.msPerByte,
    decodeMs: floats * decode.msPerMessage + floatBytes * decode.msPerByte,
  }
}

/**
 * A model's costs as a planner takes them: of one core of the machine that they were measured on.
 * @param wire  what float32 tensors cross cuts as, or what they do before each block
 */
export function chainOf(costs: LiveCosts, wire: Wire | ((block: number) => Wire) = 'f32'): Chain {
  const { blocks, codec, transport, packed = new Map<number, number>() } = costs
  const elsewhere = packed.size === 0 ? 1 : quantile([...packed.values()], 0.5)
  const leftOf = (block: number) =>
    block === 0 || block === blocks.length ? 1 : (packed.get(block) ?? elsewhere)
  // Sender and receiver are about even.
  const way = (bytes: number) => timeOf(transport, bytes) / 2
  return {
    blocks: blocks.map(({ computeMs, weightBytes, activationBytes }) => ({
      computeMs,
      weightBytes,
      activationBytes,
    })),
    crossings: costs.crossings.map((crossing, block) => {
      const { bytes, tensors, encodeMs, decodeMs } = wiredCrossing(
        costs,
        crossing,
        typeof wire === 'string' ? wire : wire(block),
      )
      return {
        bytes: bytes * leftOf(block),
        tensors,
        bufferBytes: Math.min(MOST_BUFFER_BYTES, BUFFERED_MESSAGES * bytes),
        sendMs: way(bytes) + timeOf(codec.encode, bytes) + crossing.cutMsBefore + encodeMs,
        receiveMs: way(bytes) + timeOf(codec.decode, bytes) + crossing.cutMsAfter + decodeMs,
      }
    }),
  }
}

/**
 * What one run of a part's model takes on the machine that was measured: its blocks, and what the cuts at its ends add.
 * @param part  blocks [from, to)
 */
export function partRunMs(
  costs: Costs,
  { from, to }: { readonly from: number; readonly to: number },
  wireBefore: Wire = 'f32',
  wireAfter: Wire = 'f32',
): number {
  const compute = costs.blocks.slice(from, to).reduce((total, { computeMs }) => total + computeMs, 0)
  const [before, after] = [costs.crossings[from], costs.crossings[to]]
  const taking =
    before === undefined ? 0 : before.cutMsAfter + wiredCrossing(costs, before, wireBefore).decodeMs
  const giving = after === undefined ? 0 : after.cutMsBefore + wiredCrossing(costs, after, wireAfter).encodeMs
  return compute + taking + giving
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
