/** Words after the stream, so that a block which begins in it can be read to its end. */
const SPARE_WORDS = 512

/** Bits of a stream as `BitWriter` writes them, and zeros after its end. */
export class BitReader {
  readonly #words: Int32Array
  /** The word that `bit` counts from. */
  #first = 0
  #bit = 0

  constructor(private readonly bytes: Uint8Array) {
    this.#words = new Int32Array(Math.ceil(bytes.byteLength / 4) + SPARE_WORDS)
    new Uint8Array(this.#words.buffer).set(bytes)
  }

  /** Positions count from near here. The position must not be past the end. */
  startBlock(): void {
    this.#first += this.#bit >>> 5
    this.#bit &= 31
  }

  get position(): number {
    return this.#bit
  }

  /** The next 32 bits. */
  peek(): number {
    const words = this.#words
    const bit = this.#bit
    const word = this.#first + (bit >>> 5)
    return ((words[word] ?? 0) >>> bit) | (((words[word + 1] ?? 0) << 1) << (31 - (bit & 31)))
  }

  skip(count: number): void {
    this.#bit += count
  }

  /** @param count  1 to 31 */
  take(count: number): number {
    const value = this.peek() & ((1 << count) - 1)
    this.#bit += count
    return value
  }

  /** Bits from the position to the end of the stream; negative past it. */
  get left(): number {
    return 8 * this.bytes.byteLength - 32 * this.#first - this.#bit
  }
}
