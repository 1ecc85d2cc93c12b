import { type Activation } from '../../core/control.js'
import { type PreparedPart } from './workshop/messages.js'

/** A worker that was short of memory, or whose runtime is being started again, may be asked again after a while. */
const FORGET_MS = 30_000

/** Which workers have failed with which partitions of late, so that others are asked. */
export class Refusals {
  private readonly until = new Map<string, number>()

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** How many count. */
  get size(): number {
    this.forget()
    return this.until.size
  }

  note(worker: string, { part }: Activation): void {
    this.until.set(keyOf(worker, part.sha256), this.now() + FORGET_MS)
  }

  check(): (worker: string, part: PreparedPart) => boolean {
    this.forget()
    return (worker, { part }) => this.until.has(keyOf(worker, part.sha256))
  }

  private forget(): void {
    for (const [key, until] of this.until) if (until <= this.now()) this.until.delete(key)
  }
}

function keyOf(worker: string, sha256: string): string {
  return `${worker} ${sha256}`
}
