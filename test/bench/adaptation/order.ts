import { type PlanReason } from '../../../core/control/index.js'

/** What the program on the dispatcher's device is to measure. */
export interface Order {
  readonly model: string
  readonly side: number
  /** The file of the cluster, which the emulator reads again when it changes; with the links at the first step. */
  readonly cluster: string
  /** Bandwidths of all devices, one after the other, in 10^6 bit/s. */
  readonly steps: readonly number[]
  readonly secondsOfStep: number
  /** Until this the stream is to have come to what is possible. */
  readonly secondsToAdapt: number
}

export interface StepFigures {
  readonly mbps: number
  /** From when it was to have adapted until the next step. */
  readonly fps: number
  /** Of each second since the step. */
  readonly predictions: readonly number[]
  /** Plans that came into force during the step: seconds since it, why, and the first block of each stage but one. */
  readonly plans: readonly {
    readonly second: number
    readonly reason?: PlanReason
    readonly cuts: readonly number[]
  }[]
}

export interface Measured {
  /** With a cluster that was started at that bandwidth. */
  readonly fixed: readonly {
    readonly mbps: number
    readonly fps: number
    readonly plannedFps: number
    readonly cuts: readonly number[]
  }[]
  readonly steps: readonly StepFigures[]
  readonly frames: { readonly admitted: number; readonly predicted: number; readonly disorder: number }
}
