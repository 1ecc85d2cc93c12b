import { type Activation, type ActorProgress } from '../../core/control.js'
import { type ErrorInfo } from '../../core/errors.js'
import { type LinkKind } from '../../core/link.js'
import { type ProcessUsage } from './runtime.js'
import { type ThreadChange } from './thread-frames.js'

/** From an agent to its runtime process. */
export type RuntimeRequest =
  | {
      readonly type: 'activate'
      readonly id: number
      readonly activation: Activation
      readonly model: string
    }
  | { readonly type: 'passivate'; readonly id: number; readonly key: string }
  | { readonly type: 'stop' }

/** From a runtime process to its agent. */
export type RuntimeReply =
  /** It takes requests. */
  | { readonly type: 'online'; readonly inbox?: string | undefined }
  /** It could not start. */
  | { readonly type: 'offline'; readonly error: ErrorInfo }
  | { readonly type: 'done'; readonly id: number; readonly link?: LinkKind }
  | { readonly type: 'failed'; readonly id: number; readonly error: ErrorInfo }
  | { readonly type: 'progress'; readonly actors: readonly ActorProgress[]; readonly usage: ProcessUsage }
  | ({ readonly type: 'threads' } & ThreadChange)
  | { readonly type: 'trouble'; readonly error: ErrorInfo }
