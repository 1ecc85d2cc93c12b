/** Sets of positions 0 to `end` as bits: position p is bit p % 32 of word p / 32. */

export function wordsFor(end: number): number {
  return (end >>> 5) + 1
}

export function addPosition(sets: Int32Array, offset: number, position: number): void {
  const word = offset + (position >>> 5)
  sets[word] = (sets[word] as number) | (1 << (position & 31))
}

export function hasPosition(sets: Int32Array, offset: number, position: number): boolean {
  return (((sets[offset + (position >>> 5)] as number) >>> (position & 31)) & 1) === 1
}

/** Calls `visit` for each position of a set, in ascending order, until it returns true; whether it did. */
export function somePosition(
  sets: Int32Array,
  offset: number,
  words: number,
  visit: (position: number) => boolean,
): boolean {
  for (let word = 0; word < words; word++) {
    for (let bits = sets[offset + word] as number; bits !== 0; bits &= bits - 1) {
      if (visit((word << 5) + (31 - Math.clz32(bits & -bits)))) return true
    }
  }
  return false
}
