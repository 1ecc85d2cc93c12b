import { filter, firstValueFrom, type Observable, throwIfEmpty, timeout } from 'rxjs'
import { type MillraceError } from './errors.js'

/** Timers take 31 bits: more would fire at once. 24 days. */
const LONGEST_MS = 2 ** 31 - 1

/**
 * `promise`, or the error when it has not settled in `ms`, or the reason of `signal` when that comes first. What the
 * promise does goes on unobserved then (promise 8).
 */
export async function withLimit<T>(
  promise: Promise<T>,
  ms: number,
  error: () => MillraceError,
  signal?: AbortSignal,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  let abort: () => void = () => undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(error()), Math.min(ms, LONGEST_MS))
    abort = () => reject(reasonOf(signal))
    signal?.addEventListener('abort', abort)
    if (signal?.aborted === true) abort()
  })
  try {
    return await Promise.race([promise, limit])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason
  return reason instanceof Error ? reason : new Error(String(reason))
}

/** The first value for which `test` holds, or the error when none has come in `ms` or when the source has ended. */
export function firstWhere<T, S extends T>(
  source: Observable<T>,
  test: (value: T) => value is S,
  ms: number,
  error: () => MillraceError,
): Promise<S>
export function firstWhere<T>(
  source: Observable<T>,
  test: (value: T) => boolean,
  ms: number,
  error: () => MillraceError,
): Promise<T>
export function firstWhere<T>(
  source: Observable<T>,
  test: (value: T) => boolean,
  ms: number,
  error: () => MillraceError,
): Promise<T> {
  const limited = timeout<T, Observable<never>>({
    first: Math.min(ms, LONGEST_MS),
    with: () => {
      throw error()
    },
  })
  return firstValueFrom(source.pipe(filter(test), limited, throwIfEmpty(error)))
}
