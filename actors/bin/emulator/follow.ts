import { watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { debounceTime, Observable } from 'rxjs'

/** An editor writes a file in several steps, of which only the last leaves it whole. */
const SETTLED_MS = 100

/** Emits when the file was written or replaced. */
export function changesOf(path: string): Observable<void> {
  return new Observable<void>(subscriber => {
    // The folder, because an editor may put a new file in the place of the old one.
    const watcher = watch(dirname(path), (_, name) => {
      if (name === basename(path)) subscriber.next()
    })
    watcher.on('error', error => subscriber.error(error))
    return () => watcher.close()
  }).pipe(debounceTime(SETTLED_MS))
}
