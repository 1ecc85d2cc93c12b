import {
  type Activation,
  type ActorProgress,
  type ProbeTarget,
  type ProbeUser,
  type Speed,
} from '../../core/control/index.js'
import { type ErrorInfo } from '../../core/errors.js'
import { type LinkFigure } from '../benchmark/index.js'
import { type ProcessUsage, type Readiness } from './runtime.js'

/** From an agent to its runtime process. */
export type RuntimeRequest =
  | {
      readonly type: 'activate'
      readonly id: number
      readonly activation: Activation
      readonly model: string
    }
  | { readonly type: 'passivate'; readonly id: number; readonly key: string }
  | { readonly type: 'measure-speed'; readonly id: number }
  | { readonly type: 'accept-probes'; readonly id: number; readonly users: readonly ProbeUser[] }
  | { readonly type: 'measure-link'; readonly id: number; readonly target: ProbeTarget }
  | { readonly type: 'stop' }

/** What the answers to requests carry. */
export interface Done {
  readonly readiness?: Readiness
  readonly speed?: Speed
  readonly figure?: LinkFigure
}

/** From a runtime process to its agent. */
export type RuntimeReply =
  /** It takes requests. */
  | { readonly type: 'online'; readonly inbox?: string | undefined; readonly usage: ProcessUsage }
  /** It could not start. */
  | { readonly type: 'offline'; readonly error: ErrorInfo }
  | ({ readonly type: 'done'; readonly id: number } & Done)
  | { readonly type: 'failed'; readonly id: number; readonly error: ErrorInfo }
  | { readonly type: 'progress'; readonly actors: readonly ActorProgress[]; readonly usage: ProcessUsage }
  | { readonly type: 'trouble'; readonly error: ErrorInfo }
