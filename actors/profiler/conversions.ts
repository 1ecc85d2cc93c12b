import { type Costs, type CrossingCosts, fitRate, quantile, type Rate } from '../../core/costs/index.js'
import { conversionOf } from '../../core/graph/index.js'
import { type Tensor, type Tensors, tensor } from '../../core/tensor.js'
import { type LossyWire } from '../../core/wire.js'
import { type OnnxSession, openSession } from '../session/index.js'
import { inRounds, type RoundLimits } from './rounds.js'

type Conversions = Costs['conversions']

/** From the least of the sizes to the greatest. */
const SHARES = [0, 0.5, 1]
const BYTES_PER_FLOAT = 4
/** Of a channel, where none crosses. */
const USUAL_FLOATS = 196

/** What it costs to convert float32 tensors to a wire and back, of sizes from the smallest to the largest of `crossings`. */
export async function measureConversions(
  crossings: readonly CrossingCosts[],
  limits: RoundLimits,
  checkpoint: () => Promise<void>,
): Promise<Conversions> {
  const sizes = crossings.map(({ floatBytes }) => floatBytes).filter(size => size > 0)
  const counts = SHARES.map(share => floatsIn(quantile(sizes, share)))
  const floats = floatsOfChannel(crossings)
  const rates = async (wire: LossyWire) => {
    const dims = counts.map(count =>
      wire === 'u8c' ? [1, Math.max(1, Math.round(count / floats)), floats] : [count],
    )
    const samples = new Map(dims.map(one => [one.join(), waveOf(one)]))
    return measureWire(wire, [...samples.values()], limits, checkpoint)
  }
  return { f16: await rates('f16'), u8c: await rates('u8c'), u8: await rates('u8') }
}

function floatsIn(bytes: number): number {
  return Math.max(1, Math.round(bytes / BYTES_PER_FLOAT))
}

/** In the middle of the crossings that have channels. */
function floatsOfChannel(crossings: readonly CrossingCosts[]): number {
  const known = crossings.filter(({ channels }) => channels > 0)
  if (known.length === 0) return USUAL_FLOATS
  const each = known.map(({ floatBytes, channels }) => floatsIn(floatBytes / channels))
  return Math.round(quantile(each, 0.5))
}

async function measureWire(
  wire: LossyWire,
  samples: readonly Tensor[],
  limits: RoundLimits,
  checkpoint: () => Promise<void>,
): Promise<{ encode: Rate; decode: Rate }> {
  const [there, back] = [conversionOf('encode', wire), conversionOf('decode', wire)]
  const encoder = await openSession(there.model)
  try {
    const decoder = await openSession(back.model)
    try {
      const plain = samples.map(sample => ({ [there.value]: sample }))
      const coded = await each(encoder, plain)
      const works = [
        ...plain.map(feeds => () => encoder.run(feeds)),
        ...coded.map(feeds => () => decoder.run(feeds)),
      ]
      const least = (await inRounds(works, limits, checkpoint)).map(times => Math.min(...times))
      const bytes = samples.map(({ data }) => data.length * BYTES_PER_FLOAT)
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

function waveOf(dims: readonly number[]): Tensor {
  const count = dims.reduce((product, dim) => product * dim, 1)
  return tensor(
    'float32',
    dims,
    Float32Array.from({ length: count }, (_, i) => Math.sin(i)),
  )
}
