import { distinctUntilChanged, filter, map, type Observable, skip } from 'rxjs'
import { type Bus } from '../core/bus.js'

/** Emits each time the bus is connected again. */
export function restorations(bus: Bus): Observable<void> {
  return bus.state$.pipe(
    distinctUntilChanged(),
    filter(state => state === 'connected'),
    skip(1),
    map(() => undefined),
  )
}
