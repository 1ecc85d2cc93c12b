import { type ErrorInfo } from '../../core/errors.js'

/** For a benchmark's thread. */
export interface SpeedOrder {
  /** The share of a core that the process is known to be held to, in (0, 1]. */
  readonly share: number
}

/** How fast one kind of work went. */
export interface Sample {
  /** 10^9 operations per second of processor time. */
  readonly gflopsPerCore: number
  /** The share of a core that the process had meanwhile, at best; in (0, 1]. */
  readonly share: number
}

export type SpeedReply =
  | { readonly type: 'measured'; readonly conv: Sample; readonly matmul: Sample }
  | { readonly type: 'failed'; readonly error: ErrorInfo }
