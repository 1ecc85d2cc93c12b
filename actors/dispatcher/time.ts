/** The time as a dispatcher sees it; a test's own where that must control it. */
export interface Time {
  /** ms since any moment; never goes back. */
  now(): number
  /** Calls `act` every `ms`. @returns how it is ended */
  every(ms: number, act: () => void): () => void
}

export const MACHINE_TIME: Time = {
  now: () => performance.now(),
  every: (ms, act) => {
    const timer = setInterval(act, ms)
    return () => clearInterval(timer)
  },
}
