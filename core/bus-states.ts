import { type Observable, ReplaySubject } from 'rxjs'
import { type BusState } from './bus.js'

/** The state of a bus, as `Bus.state$` tells it: `closed` is the last, and is told to those who ask later too. */
export class BusStates {
  private readonly states = new ReplaySubject<BusState>(1)
  private state: BusState = 'connected'

  constructor() {
    this.states.next(this.state)
  }

  get value(): BusState {
    return this.state
  }

  get state$(): Observable<BusState> {
    return this.states.asObservable()
  }

  /** Does nothing where that is the state already, and after `closed`. */
  become(state: BusState): void {
    if (state === this.state || this.state === 'closed') return
    this.state = state
    this.states.next(state)
    if (state === 'closed') this.states.complete()
  }
}
