export interface Bench {
  /** As a usage line shows them. */
  readonly options: string
  /** What it shows, in one sentence. */
  readonly summary: string
  /** @returns the exit status: 0, 1 (what it shows does not hold), 2 (used wrongly) */
  readonly run: (options: readonly string[]) => number | Promise<number>
}

/** Options that a bench does not take. */
export class UsageError extends Error {}
