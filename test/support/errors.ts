import { type ErrorCode, MillraceError } from '../../core/errors.js'

/** What `thrown` throws: its code where it is a MillraceError, else the error itself; undefined where it throws nothing. */
export function codeOf(run: () => unknown): ErrorCode | Error | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    if (error instanceof MillraceError) return error.code
    return error instanceof Error ? error : new Error(String(error))
  }
}
