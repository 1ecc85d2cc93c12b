import { type PartSource } from '../../core/control/index.js'

/** What fetching beforehand needs of the worker around it. */
export interface PrefetchHost {
  /** @returns whether the part is there now; false: the cache has no room for it */
  fetch(part: PartSource, signal: AbortSignal): Promise<boolean>
  /** A further part is there. */
  onChange(): void
}

/** Has parts here before they are needed, one after the other, so that frames hardly notice. */
export class Prefetcher {
  private wanted: readonly PartSource[] = []
  private readonly there = new Set<string>()
  private abort = new AbortController()
  private running: Promise<void> | undefined

  constructor(private readonly host: PrefetchHost) {}

  /** SHA-256 of those asked for that are here. */
  here(): string[] {
    return this.wanted.map(({ sha256 }) => sha256).filter(sha256 => this.there.has(sha256))
  }

  /** @param wanted  in place of what was asked for before */
  apply(wanted: readonly PartSource[]): void {
    if (JSON.stringify(wanted) === JSON.stringify(this.wanted)) return
    this.wanted = wanted
    this.abort.abort()
    this.abort = new AbortController()
    this.running = this.run(this.running, this.abort.signal)
  }

  async stop(): Promise<void> {
    this.apply([])
    this.abort.abort()
    await this.running
  }

  private async run(before: Promise<void> | undefined, signal: AbortSignal): Promise<void> {
    await before
    for (const part of this.wanted) {
      if (signal.aborted) return
      const { sha256 } = part
      // What was here may have had to make room.
      const isHere = await this.host.fetch(part, signal).catch(() => false)
      if (isHere) this.there.add(sha256)
      else this.there.delete(sha256)
      if (isHere && !signal.aborted) this.host.onChange()
    }
  }
}
