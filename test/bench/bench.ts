import { parseArgs, type ParseArgsConfig } from 'node:util'

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

/**
 * The values of a bench's options.
 * @param known  as `parseArgs` takes them
 * @throws UsageError
 */
export function benchOptions<T extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  known: T,
): ReturnType<typeof parseArgs<{ options: T }>>['values'] {
  try {
    return parseArgs({ args: [...args], options: known }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}
