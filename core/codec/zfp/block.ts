import { type BlockShape } from './grid.js'
import { coefficientOrder } from './order.js'

/** The bits of a float32 but for its sign. */
const MAGNITUDE = 0x7fff_ffff
const NEGABINARY = 0xaaaa_aaaa | 0

/** Where one block after the other is coded, so that none needs memory of its own. */
export class Block {
  readonly floats: Float32Array
  /** The same as bits. */
  readonly bits: Int32Array
  /** The values as integers, x fastest. */
  readonly integers: Int32Array
  /** The integers after their transform as they stand in the stream, in negabinary or as bit planes. */
  readonly coefficients: Int32Array
  readonly #order: Uint8Array

  constructor(readonly rank: number) {
    this.#order = coefficientOrder(rank)
    const size = this.#order.length
    this.floats = new Float32Array(size)
    this.bits = new Int32Array(this.floats.buffer)
    this.integers = new Int32Array(size)
    this.coefficients = new Int32Array(size)
  }

  /** @param tensor  the bits of all values */
  gather(tensor: Int32Array, { places }: BlockShape, first: number): void {
    const bits = this.bits
    for (let i = 0; i < bits.length; i++) bits[i] = tensor[first + (places[i] ?? 0)] ?? 0
  }

  scatter(tensor: Int32Array, { places, inside }: BlockShape, first: number): void {
    const bits = this.bits
    for (let i = 0; i < inside.length; i++) {
      const value = inside[i] ?? 0
      tensor[first + (places[value] ?? 0)] = bits[value] ?? 0
    }
  }

  /** The bits of the largest magnitude: what the floats are ordered by, NaN above all others. */
  largestBits(): number {
    const bits = this.bits
    let largest = 0
    for (let i = 0; i < bits.length; i++) {
      const magnitude = (bits[i] ?? 0) & MAGNITUDE
      if (magnitude > largest) largest = magnitude
    }
    return largest
  }

  /** Makes coefficients of the integers, in negabinary. Gives the bits that are set in any. */
  order(): number {
    const { integers, coefficients } = this
    const order = this.#order
    let any = 0
    for (let i = 0; i < coefficients.length; i++) {
      const value = (((integers[order[i] ?? 0] ?? 0) + NEGABINARY) | 0) ^ NEGABINARY
      coefficients[i] = value
      any |= value
    }
    return any
  }

  /** Makes integers of the coefficients. */
  disorder(): void {
    const { integers, coefficients } = this
    const order = this.#order
    for (let i = 0; i < coefficients.length; i++) {
      integers[order[i] ?? 0] = ((coefficients[i] ?? 0) ^ NEGABINARY) - NEGABINARY
    }
  }
}
