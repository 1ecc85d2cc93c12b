/** Less is had anew as quickly. */
const LEAST_BYTES = 16 * 1_024
/** A message keeps its memory to itself until it has left: it must fill at least this share. */
const LEAST_SHARE = 1 / 8
const MOST_BYTES = 16 * 2 ** 20

/**
 * Memory of messages that have left, for those that come. As garbage it makes V8 collect the heap, all of which it then
 * looks through, each time that messages have come to as much as the heap may grow by. Frames of a stage are alike, so
 * that a few pieces are enough; those that were given first go first.
 */
export class SpareMemory {
  private readonly spare: ArrayBuffer[] = []
  private bytes = 0

  /** @returns so many bytes, with anything in them, from the start of an ArrayBuffer that may be longer */
  take(bytes: number): Buffer<ArrayBuffer> {
    const fit = bytes < LEAST_BYTES ? undefined : this.smallestFor(bytes)
    if (fit === undefined) return Buffer.allocUnsafeSlow(bytes)
    this.remove(fit)
    return Buffer.from(fit, 0, bytes)
  }

  /** @param memory  that nobody reads or writes any more */
  give(memory: ArrayBufferLike): void {
    if (!(memory instanceof ArrayBuffer) || this.spare.includes(memory)) return
    if (memory.byteLength < LEAST_BYTES || memory.byteLength > MOST_BYTES) return
    this.spare.push(memory)
    this.bytes += memory.byteLength
    while (this.bytes > MOST_BYTES) this.remove(this.spare[0] ?? memory)
  }

  private smallestFor(bytes: number): ArrayBuffer | undefined {
    const fits = this.spare.filter(
      ({ byteLength }) => byteLength >= bytes && bytes >= byteLength * LEAST_SHARE,
    )
    return fits.sort((a, b) => a.byteLength - b.byteLength)[0]
  }

  private remove(memory: ArrayBuffer): void {
    this.spare.splice(this.spare.indexOf(memory), 1)
    this.bytes -= memory.byteLength
  }
}
