import { type Random } from './random.js'

/** Waves in one field, and fields in one image. */
const WAVES = 5
const FIELDS = 3
/** How many cycles a wave may make over the image; none is shorter than so many pixels. */
const FEWEST_CYCLES = 0.5
const MOST_CYCLES = 10
const SHORTEST_WAVE = 6
/** Sharpest edge of a field: the slope of its soft threshold. */
const SHARPEST = 4

/**
 * One image of `channels` x `height` x `width` values within [-2, 2], written channel by channel: smooth random fields
 * with some edges, and an offset and a contrast of its own in every channel. A network tells such images apart; images
 * of independent noise all have the same statistics, and so give it the same answer.
 */
export function fillImage(
  out: Float32Array,
  channels: number,
  height: number,
  width: number,
  random: Random,
): void {
  const fields = Array.from({ length: FIELDS }, () => field(height, width, random))
  for (let c = 0; c < channels; c++) {
    const offset = 1.6 * random.uniform() - 0.8
    const contrast = 0.2 + random.uniform()
    const shares = fields.map(() => random.normal())
    const size = shares.reduce((sum, share) => sum + Math.abs(share), 0)
    const plane = out.subarray(c * height * width, (c + 1) * height * width)
    plane.fill(offset)
    fields.forEach((values, i) => addScaled(plane, values, (contrast * (shares[i] ?? 0)) / size))
  }
}

/** Values within [-1, 1]: a sum of plane waves, pressed towards its ends by a soft threshold. */
function field(height: number, width: number, random: Random): Float32Array {
  const sum = new Float32Array(height * width)
  const base = random.uniform()
  for (let i = 0; i < WAVES; i++) addWave(sum, height, width, base, random)
  const slope = 0.5 + SHARPEST * random.uniform() ** 2
  return sum.map(value => Math.tanh(slope * value))
}

/** A wave of random direction; `base`, in [0, 1), is shared by a field's waves and makes it coarse or fine. */
function addWave(sum: Float32Array, height: number, width: number, base: number, random: Random): void {
  const exponent = 0.7 * base + 0.3 * random.uniform()
  const most = Math.max(FEWEST_CYCLES, Math.min(MOST_CYCLES, height / SHORTEST_WAVE, width / SHORTEST_WAVE))
  const cycles = FEWEST_CYCLES * (most / FEWEST_CYCLES) ** exponent
  const angle = 2 * Math.PI * random.uniform()
  const phase = 2 * Math.PI * random.uniform()
  const down = (2 * Math.PI * cycles * Math.sin(angle)) / height
  const across = (2 * Math.PI * cycles * Math.cos(angle)) / width
  const sines = Float64Array.from({ length: width }, (_, x) => Math.sin(across * x + phase))
  const cosines = Float64Array.from({ length: width }, (_, x) => Math.cos(across * x + phase))
  for (let y = 0; y < height; y++) {
    const sine = Math.sin(down * y) / Math.sqrt(WAVES)
    const cosine = Math.cos(down * y) / Math.sqrt(WAVES)
    for (let x = 0; x < width; x++) {
      // sin(a + b) from the tables: two multiplications instead of a sine per pixel.
      const i = y * width + x
      sum[i] = (sum[i] ?? 0) + (sines[x] ?? 0) * cosine + (cosines[x] ?? 0) * sine
    }
  }
}

function addScaled(out: Float32Array, values: Float32Array, factor: number): void {
  for (let i = 0; i < out.length; i++) out[i] = (out[i] ?? 0) + factor * (values[i] ?? 0)
}
