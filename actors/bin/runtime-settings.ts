import { type ActorFault } from '../../core/faults.js'

/** Where a runtime's inbox broker listens. */
export interface InboxSettings {
  readonly host: string
  /** 0: a free one. */
  readonly port: number
  /** Whether another port will do where this one is taken. */
  readonly orAnother: boolean
}

/** All that an agent tells its runtime process at the start, as JSON in one environment variable. */
export interface RuntimeSettings {
  readonly id: string
  readonly broker: string
  readonly progressMs: number
  readonly inbox: InboxSettings
  readonly connect: Readonly<Record<string, unknown>>
  /** What its actors suffer from the start; left out: it allows no faults. */
  readonly faults?: readonly ActorFault[] | undefined
}

export const RUNTIME_SETTINGS = 'MILLRACE_RUNTIME'
