import { Observable } from 'rxjs'

/**
 * The items of `source`, each asked for only after `room` has resolved. The iterator is closed when somebody
 * unsubscribes early or `room` fails, also while it waits for room or is being asked for an item.
 */
export function pullFrom<T>(
  source: Iterable<T> | AsyncIterable<T>,
  room: () => Promise<void>,
): Observable<T> {
  return new Observable(subscriber => {
    const iterator = iterate(source)
    // Whoever has ended or thrown must not be told to close.
    let spent = false
    const next = async () => {
      try {
        const result = await iterator.next()
        spent = result.done === true
        return result
      } catch (error) {
        spent = true
        throw error
      }
    }
    const run = async () => {
      for (;;) {
        await room()
        if (subscriber.closed) return
        const { done, value } = await next()
        if (done === true) return subscriber.complete()
        subscriber.next(value)
      }
    }
    run().catch((error: unknown) => subscriber.error(error))
    return () => {
      if (!spent) void close(iterator)
    }
  })
}

function iterate<T>(
  source: Iterable<T> | AsyncIterable<T>,
): AsyncIterator<T, unknown> | Iterator<T, unknown> {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
}

/** Nobody is left who could be told that closing failed. */
async function close(iterator: AsyncIterator<unknown> | Iterator<unknown>): Promise<void> {
  try {
    await iterator.return?.()
  } catch {
    return
  }
}
