import { type Observable } from 'rxjs'

/** Times between predictions, in ms, of which the last reaches to the end. */
export class Gaps {
  private readonly found: number[] = []
  private lastAt = performance.now()
  private readonly subscription

  constructor({ predictions$ }: { readonly predictions$: Observable<unknown> }) {
    this.subscription = predictions$.subscribe(() => this.note())
  }

  end(): readonly number[] {
    this.subscription.unsubscribe()
    this.note()
    return this.found
  }

  private note(): void {
    const now = performance.now()
    this.found.push(now - this.lastAt)
    this.lastAt = now
  }
}
