/** A seeded source of numbers: the same seed gives the same numbers on every machine. */
export interface Random {
  /** An integer in [0, 2^32). */
  bits(): number
  /** A number in [0, 1), of 53 random bits. */
  uniform(): number
  /** An integer in [0, bound), for a bound of 1 to 2^31. */
  below(bound: number): number
  /** A number of mean 0 and standard deviation 1, normally distributed. */
  normal(): number
  /** Fills `out` with normal numbers of that mean and standard deviation. */
  fillNormal(out: Float32Array, mean: number, deviation: number): void
}

/**
 * A generator for one purpose; `parts` (a seed, an index, a name) say which, and different parts give unrelated
 * streams.
 * Source: sfc32 of C. Doty-Humphrey's PractRand, seeded through the mixing step of MurmurHash3
 */
export function randomOf(...parts: readonly (number | string)[]): Random {
  const bits = sfc32(hash(parts.join('\u0000')))
  const normal = ziggurat(bits)
  const uniform = () => ((bits() >>> 5) * 0x4000000 + (bits() >>> 6)) / 0x20000000000000
  return {
    bits,
    uniform,
    below: bound => Math.floor(uniform() * bound),
    normal,
    fillNormal: (out, mean, deviation) => {
      for (let i = 0; i < out.length; i++) out[i] = mean + deviation * normal()
    },
  }
}

function sfc32(seed: number): () => number {
  let [a, b, c, counter] = [0, seed, seed ^ 0x9e3779b9, 1]
  const next = () => {
    const sum = (a + b + counter++) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    return sum >>> 0
  }
  // The first outputs still show the seed.
  for (let i = 0; i < 15; i++) next()
  return next
}

function hash(text: string): number {
  let state = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    state = Math.imul(state ^ text.charCodeAt(i), 0x85ebca6b)
    state = Math.imul((state << 13) | (state >>> 19), 5) + 0xe6546b64
  }
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
  return state ^ (state >>> 16)
}

/** Layers of the ziggurat, where its base layer ends, and the area of each layer. */
const LAYERS = 128
const BASE_END = 3.442619855899
const AREA = 9.91256303526217e-3
const EDGES = edges()

/**
 * Normal numbers at the price of one draw in 98 of 100 cases; models of 10^8 weights are filled in seconds.
 * Source: G. Marsaglia and W. W. Tsang, The Ziggurat Method, J. Stat. Soft. 5(8), 2000, as corrected by J. Doornik
 * (the layer and the position in it come from different bits)
 */
function ziggurat(bits: () => number): () => number {
  const unit = () => (bits() + 0.5) / 0x100000000
  const tail = (): number => {
    for (;;) {
      const x = Math.log(unit()) / BASE_END
      if (-2 * Math.log(unit()) >= x * x) return BASE_END - x
    }
  }
  return () => {
    for (;;) {
      const draw = bits()
      const layer = draw & (LAYERS - 1)
      const position = ((draw >>> 7) / 0x2000000) * 2 - 1
      const edge = EDGES[layer] as number
      const inner = EDGES[layer + 1] as number
      const x = position * edge
      if (Math.abs(x) < inner) return x
      if (layer === 0) return position < 0 ? -tail() : tail()
      if (accepts(x, edge, inner, unit())) return x
    }
  }
}

/** Whether a point at `height` (0 to 1) between the layer's bottom and top, at x, is under the bell curve. */
function accepts(x: number, edge: number, inner: number, height: number): boolean {
  const bottom = Math.exp(-0.5 * edge * edge)
  const top = Math.exp(-0.5 * inner * inner)
  return bottom + height * (top - bottom) < Math.exp(-0.5 * x * x)
}

/** Right ends of the layers, from the base (whose rectangle stands for the tail too) to 0. */
function edges(): Float64Array {
  const ends = new Float64Array(LAYERS + 1)
  let height = Math.exp(-0.5 * BASE_END * BASE_END)
  ends[0] = AREA / height
  ends[1] = BASE_END
  for (let i = 2; i < LAYERS; i++) {
    height = Math.exp(-0.5 * (ends[i - 1] as number) ** 2) + AREA / (ends[i - 1] as number)
    ends[i] = Math.sqrt(-2 * Math.log(height))
  }
  return ends
}
