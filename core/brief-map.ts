/** Additions, beside as many as there are entries, after which there is a new Map. */
const RENEWED_AFTER = 64

/**
 * A Map of what is there for a moment, such as the frames that are under way. V8 gives a Map another table each time that a
 * few entries have come and gone, and the one before refers to it. Where one of them has been there for so long that
 * only a full collection frees it, it keeps all later ones, with what they held: at 330 frames a second a dispatcher left
 * 127 MB a minute for those collections. A Map of its own begins anew.
 */
export class BriefMap<K, V> {
  private entries = new Map<K, V>()
  private added = 0

  get size(): number {
    return this.entries.size
  }

  has(key: K): boolean {
    return this.entries.has(key)
  }

  get(key: K): V | undefined {
    return this.entries.get(key)
  }

  set(key: K, value: V): void {
    if (++this.added > RENEWED_AFTER + this.entries.size) {
      this.entries = new Map(this.entries)
      this.added = 0
    }
    this.entries.set(key, value)
  }

  /** @returns whether it was there */
  delete(key: K): boolean {
    return this.entries.delete(key)
  }

  clear(): void {
    this.entries = new Map()
    this.added = 0
  }

  /** As they are now, in the order in which their keys came. */
  values(): V[] {
    return [...this.entries.values()]
  }
}
