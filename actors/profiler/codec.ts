import { decodeEnvelope, encodeEnvelope } from '../../core/codec/index.js'
import { type Costs, fitRate, quantile } from '../../core/costs/index.js'
import { type Envelope } from '../../core/frame.js'
import { tensor } from '../../core/tensor.js'
import { inRounds, type RoundLimits } from './rounds.js'

/** From the least of the sizes to the greatest. */
const SHARES = [0, 0.25, 0.5, 0.75, 1]

/** What encoding and decoding costs, of messages from the smallest of `sizes` to the largest, in bytes. */
export async function measureCodec(
  sizes: readonly number[],
  limits: RoundLimits,
  checkpoint: () => Promise<void>,
): Promise<Costs['codec']> {
  const chosen = [...new Set(SHARES.map(share => Math.round(quantile(sizes, share))))]
  const envelopes = chosen.map(envelopeOf)
  const messages = envelopes.map(envelope => encodeEnvelope(envelope))
  const works = [
    ...envelopes.map(envelope => async () => encodeEnvelope(envelope)),
    ...messages.map(message => async () => decodeEnvelope(message)),
  ]
  const least = (await inRounds(works, limits, checkpoint)).map(samples => Math.min(...samples))
  const bytes = messages.map(({ byteLength }) => byteLength)
  return {
    encode: fitRate(bytes, least.slice(0, bytes.length)),
    decode: fitRate(bytes, least.slice(bytes.length)),
  }
}

function envelopeOf(bytes: number): Envelope {
  const elements = Math.ceil(bytes / 4)
  const identity = { dispatcher: 'd', stream: 's', sequence: 0 }
  const data = Float32Array.from({ length: elements }, (_, i) => Math.sin(i))
  return {
    header: { ...identity, epoch: 1, stage: 1, turn: 0, admittedAt: 0, timings: [] },
    tensors: { values: tensor('float32', [1, elements], data) },
  }
}
