import { type Costs, fitRate, quantile, type Rate } from '../../core/costs/index.js'
import { conversionOf } from '../../core/graph/index.js'
import { type Tensors, tensor } from '../../core/tensor.js'
import { type LossyWire } from '../../core/wire.js'
import { type OnnxSession, openSession } from '../session/index.js'
import { inRounds, type RoundLimits } from './rounds.js'

type Conversions = Costs['conversions']

/** From the least of the sizes to the greatest. */
const SHARES = [0, 0.5, 1]
const BYTES_PER_FLOAT = 4

/** What it costs to convert float32 tensors to a wire and back, of sizes from the smallest of `sizes` to the largest, in bytes. */
export async function measureConversions(
  sizes: readonly number[],
  limits: RoundLimits,
  checkpoint: () => Promise<void>,
): Promise<Conversions> {
  const known = sizes.filter(size => size > 0)
  const chosen = [...new Set(SHARES.map(share => floatsIn(quantile(known, share))))]
  const rates = async (wire: LossyWire) => measureWire(wire, chosen, limits, checkpoint)
  return { f16: await rates('f16'), u8: await rates('u8') }
}

function floatsIn(bytes: number): number {
  return Math.max(1, Math.round(bytes / BYTES_PER_FLOAT))
}

async function measureWire(
  wire: LossyWire,
  counts: readonly number[],
  limits: RoundLimits,
  checkpoint: () => Promise<void>,
): Promise<{ encode: Rate; decode: Rate }> {
  const [there, back] = [conversionOf('encode', wire), conversionOf('decode', wire)]
  const encoder = await openSession(there.model)
  try {
    const decoder = await openSession(back.model)
    try {
      const plain = counts.map(count => ({ [there.value]: waveOf(count) }))
      const coded = await each(encoder, plain)
      const works = [
        ...plain.map(feeds => () => encoder.run(feeds)),
        ...coded.map(feeds => () => decoder.run(feeds)),
      ]
      const least = (await inRounds(works, limits, checkpoint)).map(samples => Math.min(...samples))
      const bytes = counts.map(count => count * BYTES_PER_FLOAT)
      return {
        encode: fitRate(bytes, least.slice(0, bytes.length)),
        decode: fitRate(bytes, least.slice(bytes.length)),
      }
    } finally {
      await decoder.release()
    }
  } finally {
    await encoder.release()
  }
}

async function each(session: OnnxSession, frames: readonly Tensors[]): Promise<Tensors[]> {
  const results: Tensors[] = []
  for (const feeds of frames) results.push(await session.run(feeds))
  return results
}

function waveOf(count: number) {
  return tensor(
    'float32',
    [count],
    Float32Array.from({ length: count }, (_, i) => Math.sin(i)),
  )
}
