/** More than a block of 256 values ever takes, with the bits that pad it, in words. */
const BLOCK_WORDS = 2048

/**
 * A stream that grows: bits fill 32-bit words from the least significant on, and words stand in it little-endian.
 * Bits of the word at the position, from the position on, are zero.
 */
export class BitWriter {
  /** The word that `bit` counts from, so that it stays a small integer in streams of any length. */
  #first = 0
  #words: Int32Array<ArrayBuffer>
  #bit = 0

  /** @param bytes  what the stream may well take */
  constructor(bytes: number) {
    this.#words = new Int32Array(Math.ceil(bytes / 4) + BLOCK_WORDS)
  }

  /** Makes room for a block. Positions count from near its start. */
  startBlock(): void {
    this.#first += this.#bit >>> 5
    this.#bit &= 31
    if (this.#first + BLOCK_WORDS <= this.#words.length) return
    const words = new Int32Array(2 * this.#words.length + BLOCK_WORDS)
    words.set(this.#words.subarray(0, this.#first + 1))
    this.#words = words
  }

  get position(): number {
    return this.#bit
  }

  /** @param count  low bits of `value`, 0 to 32; the others must be zero */
  put(value: number, count: number): void {
    const words = this.#words
    const bit = this.#bit
    const word = this.#first + (bit >>> 5)
    words[word] = (words[word] ?? 0) | (value << bit)
    words[word + 1] = (value >>> 1) >>> (31 - (bit & 31))
    this.#bit = bit + count
  }

  /** Zeros up to `position`, or nothing past it. */
  moveTo(position: number): void {
    const words = this.#words
    const end = this.#first + (position >>> 5)
    for (let word = this.#first + (this.#bit >>> 5) + 1; word <= end; word++) words[word] = 0
    if (position < this.#bit) words[end] = (words[end] ?? 0) & ((1 << position) - 1)
    this.#bit = position
  }

  /** The stream in whole bytes. */
  finish(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#words.buffer).slice(0, 4 * this.#first + Math.ceil(this.#bit / 8))
  }
}
