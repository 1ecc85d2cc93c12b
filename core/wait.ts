import { filter, firstValueFrom, type Observable, timeout } from 'rxjs'
import { type MillraceError } from './errors.js'

/** `promise`, or the error when it has not settled in `ms`. What it does goes on unobserved then. */
export async function withLimit<T>(promise: Promise<T>, ms: number, error: () => MillraceError): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(error()), ms)
  })
  try {
    return await Promise.race([promise, limit])
  } finally {
    clearTimeout(timer)
  }
}

/** The first value for which `test` holds, or the error when none has come in `ms`. */
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
    first: ms,
    with: () => {
      throw error()
    },
  })
  return firstValueFrom(source.pipe(filter(test), limited))
}
