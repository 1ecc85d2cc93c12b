import { type Activation } from '../../core/control/index.js'
import { type PreparedPart } from './workshop/messages.js'

/** A worker that was short of memory, or whose runtime is being started again, may be asked again after a while. */
const FORGET_MS = 30_000

type Kind = 'failed' | 'crashed' | 'crashed loading'
type Check = (worker: string, part: PreparedPart) => boolean

/** Which workers have failed with which partitions of late, so that others are asked. */
export class Refusals {
  private readonly known = new Map<string, { readonly kind: Kind; readonly until: number }>()

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** How many count. */
  get size(): number {
    this.forget()
    return this.known.size
  }

  /**
   * A runtime that crashed while it loaded the partition may have crashed for another reason: the second time counts.
   * @param kind  it could not load the partition, or its runtime crashed when it had it, or while it loaded it
   */
  note(worker: string, { part }: Activation, kind: Kind): void {
    const key = keyOf(worker, part.sha256)
    const again = kind === 'crashed loading' && this.known.get(key)?.kind === kind
    this.known.set(key, { kind: again ? 'failed' : kind, until: this.now() + FORGET_MS })
  }

  /** A worker that crashed with the partition has it again, and runs it. */
  forgive(worker: string, { part }: Activation): void {
    this.known.delete(keyOf(worker, part.sha256))
  }

  /** Who could not load a partition is not asked; whose runtime crashed with it is asked when nobody else is there. */
  checks(): { readonly refuses: Check; readonly avoids: Check } {
    this.forget()
    const kindOf: (...about: Parameters<Check>) => Kind | undefined = (worker, { part }) =>
      this.known.get(keyOf(worker, part.sha256))?.kind
    return {
      refuses: (worker, part) => kindOf(worker, part) === 'failed',
      avoids: (worker, part) => kindOf(worker, part) !== undefined,
    }
  }

  private forget(): void {
    for (const [key, { until }] of this.known) if (until <= this.now()) this.known.delete(key)
  }
}

function keyOf(worker: string, sha256: string): string {
  return `${worker} ${sha256}`
}
