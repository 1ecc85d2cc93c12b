import { crc32 } from 'node:zlib'

/**
 * A sum over the records that are there, in any order. It is written with each batch of changes: LevelDB leaves a damaged
 * batch out without a word, and then the sum of what is there is not the one that was written last.
 */
export class Digest {
  private sum = 0
  private count = 0

  add(key: string, value: string): void {
    this.sum ^= checksum(key, value)
    this.count++
  }

  remove(key: string, value: string): void {
    this.sum ^= checksum(key, value)
    this.count--
  }

  toString(): string {
    return `${this.count}:${this.sum >>> 0}`
  }
}

function checksum(key: string, value: string): number {
  return crc32(`${key}\n${value}`)
}
