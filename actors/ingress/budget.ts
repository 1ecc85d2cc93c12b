/** Bytes that may be held at once. */
export class Budget {
  private held = 0

  constructor(private readonly most: number) {}

  /** @returns how they are given back, which may be called more than once; undefined where there is no room */
  hold(bytes: number): (() => void) | undefined {
    if (this.held + bytes > this.most) return undefined
    this.held += bytes
    let open = true
    return () => {
      if (open) this.held -= bytes
      open = false
    }
  }
}
