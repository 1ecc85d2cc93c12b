import { Observable } from 'rxjs'

/** The items of `source`, each asked for only after `room` has resolved. An early unsubscribe ends the iterator. */
export function pullFrom<T>(
  source: Iterable<T> | AsyncIterable<T>,
  room: () => Promise<void>,
): Observable<T> {
  return new Observable(subscriber => {
    const run = async () => {
      const iterator = iterate(source)
      for (;;) {
        await room()
        const { done, value } = subscriber.closed ? { done: true, value: undefined } : await iterator.next()
        if (done === true) break
        subscriber.next(value as T)
      }
      if (subscriber.closed) await iterator.return?.()
      subscriber.complete()
    }
    run().catch((error: unknown) => subscriber.error(error))
  })
}

function iterate<T>(source: Iterable<T> | AsyncIterable<T>): AsyncIterator<T> | Iterator<T> {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
}
