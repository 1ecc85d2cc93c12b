import { filter, map, NEVER, type Observable } from 'rxjs'
import { type Cluster } from '../../../config/cluster.js'
import { type FaultInjector, type Injected, type StageChoice } from '../../../config/faults.js'

/** Where a fault is let happen. */
export interface Target {
  readonly inject: FaultInjector
  readonly stage: StageChoice
  /** The sequence number of a frame that comes soon. */
  readonly soon: number
}

interface Kind {
  readonly inject: (target: Target) => Promise<Injected>
  /** How long it lasts, where it has an end of its own or is ended. */
  readonly ms?: number
  readonly end?: (target: Target) => Promise<unknown>
  /** Signs that it was noticed, beside what the supervisor says of the pipeline. */
  readonly signs?: (cluster: Cluster) => Observable<unknown>
}

/** The stream of the command. */
export const STREAM = 'chaos'
const STALL_MS = 4_000
const CUT_MS = 3_000
const DISTURBED_MS = 3_000
const DOWN_MS = 500

/** What `--fault` may name. */
export const FAULT_KINDS = {
  kill: { inject: ({ inject, stage }) => inject.kill(stage) },
  crash: { inject: ({ inject, stage }) => inject.kill(stage, 'runtime') },
  stall: { inject: ({ inject, stage }) => inject.stall(stage, STALL_MS), ms: STALL_MS },
  slow: {
    inject: ({ inject, stage }) => inject.slow(stage, 5),
    ms: DISTURBED_MS,
    end: ({ inject, stage }) => inject.slow(stage, 1),
  },
  cut: { inject: ({ inject, stage }) => inject.cut(stage, 'broker', CUT_MS), ms: CUT_MS },
  silence: { inject: ({ inject, stage }) => inject.cut(stage, 'broker', CUT_MS, 'silent'), ms: CUT_MS },
  corrupt: {
    inject: ({ inject, stage }) => inject.corrupt(stage, 0.05),
    ms: DISTURBED_MS,
    end: ({ inject, stage }) => inject.corrupt(stage, 0),
    signs: ({ trouble$ }) => trouble$.pipe(filter(({ code }) => code === 'ENVELOPE_CORRUPT')),
  },
  poison: {
    inject: ({ inject, stage, soon }) => inject.poison(stage, { stream: STREAM, sequence: soon }),
  },
  'restart-broker': {
    inject: ({ inject }) => inject.restartBroker(DOWN_MS),
    ms: DOWN_MS,
    signs: ({ control }) => control.state$.pipe(filter(state => state === 'disconnected')),
  },
} as const satisfies Readonly<Record<string, Kind>>

export type FaultName = keyof typeof FAULT_KINDS
export const FAULT_NAMES = Object.keys(FAULT_KINDS) as FaultName[]

export function kindOf(name: FaultName): Kind {
  return FAULT_KINDS[name]
}

export function signsOf(name: FaultName, cluster: Cluster): Observable<unknown> {
  return (kindOf(name).signs?.(cluster) ?? NEVER).pipe(map(sign => sign))
}
