interface Entry<T> {
  readonly at: number
  /** Of what happens at the same time, what was entered first comes first. */
  readonly turn: number
  readonly event: T
}

/** What is to happen, earliest first: a binary heap. */
export class EventQueue<T> {
  private readonly heap: Entry<T>[] = []
  private turns = 0

  get size(): number {
    return this.heap.length
  }

  push(at: number, event: T): void {
    const entry = { at, turn: this.turns++, event }
    let hole = this.heap.push(entry) - 1
    while (hole > 0) {
      const parent = (hole - 1) >> 1
      const above = this.at(parent)
      if (!isBefore(entry, above)) break
      this.heap[hole] = above
      hole = parent
    }
    this.heap[hole] = entry
  }

  pop(): { readonly at: number; readonly event: T } | undefined {
    const first = this.heap[0]
    const last = this.heap.pop()
    if (last !== undefined && this.heap.length > 0) this.sink(last)
    return first
  }

  /** Puts an entry in the place of the first one, and from there to where it belongs. */
  private sink(entry: Entry<T>): void {
    let hole = 0
    for (let child = 1; child < this.heap.length; child = 2 * hole + 1) {
      const right = child + 1
      if (right < this.heap.length && isBefore(this.at(right), this.at(child))) child = right
      const below = this.at(child)
      if (!isBefore(below, entry)) break
      this.heap[hole] = below
      hole = child
    }
    this.heap[hole] = entry
  }

  private at(index: number): Entry<T> {
    return this.heap[index] as Entry<T>
  }
}

function isBefore<T>(a: Entry<T>, b: Entry<T>): boolean {
  return a.at < b.at || (a.at === b.at && a.turn < b.turn)
}
