import { type LedgerEntry } from '../ledger.js'
import { type Resource } from '../planner/objective.js'
import { type Machines } from './machines.js'

export interface Figures {
  /** Predictions per second from the first to the last; 0 where there are fewer than 2. */
  readonly fps: number
  /** From admission to delivery, of predictions; NaN where there are none. */
  readonly latencyMs: { readonly mean: number; readonly p50: number; readonly p99: number }
}

export interface Utilisation {
  readonly resource: Resource
  /** Share of the time, from 0 to 1. */
  readonly busy: number
}

export function figuresOf(entries: readonly LedgerEntry[]): Figures {
  const predicted = entries.filter(({ end }) => end === 'predicted')
  const latencies = predicted.map(({ admittedAt, endedAt }) => endedAt - admittedAt).sort((a, b) => a - b)
  const quantile = (share: number) => latencies[Math.ceil(share * latencies.length) - 1] ?? NaN
  return {
    fps: fpsOf(predicted),
    latencyMs: {
      mean: latencies.reduce((sum, ms) => sum + ms, 0) / latencies.length,
      p50: quantile(0.5),
      p99: quantile(0.99),
    },
  }
}

/** The first prediction only starts the clock: what came before was the way through an empty pipeline. */
function fpsOf(predicted: readonly LedgerEntry[]): number {
  const [first, last] = [predicted[0], predicted.at(-1)]
  if (first === undefined || last === undefined || predicted.length < 2) return 0
  return (1000 * (predicted.length - 1)) / (last.endedAt - first.endedAt)
}

export function utilisationOf(machines: Machines, endedAt: number): Utilisation[] {
  const { loads, freeAt } = machines.busy()
  // Frames that failed at their deadline may still be at work when the last one has ended.
  const time = Math.max(endedAt, freeAt)
  return loads.map(({ resource, ms }) => ({ resource, busy: ms / time }))
}
