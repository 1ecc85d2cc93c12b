import { type DeployOptionsInput } from '../../../actors/supervisor/index.js'
import { type Predicted } from '../../../core/control/index.js'

/** A way to run a model on devices. */
export interface Scheme {
  readonly key: string
  /** What it is, for people. */
  readonly name: string
  readonly options: DeployOptionsInput
}

/** What the program on the dispatcher's device is to measure. */
export interface Order {
  readonly model: string
  /** Files of `count` frames, as uint8, and of what the uncut model gives for them, as float32. */
  readonly frames: string
  readonly answers: string
  readonly count: number
  readonly input: Tensor
  readonly output: Tensor
  readonly devices: readonly string[]
  readonly schemes: readonly Scheme[]
  readonly deployLimitMs: number
  /** Of each scheme, in turns. */
  readonly runs: number
  /** Predictions that are counted in a run: so many, or as many as come in these seconds. */
  readonly framesOfRun: number
  readonly secondsOfRun: number
}

/** Of every frame. */
interface Tensor {
  readonly name: string
  readonly dims: readonly number[]
}

/** One stream, from the prediction after which everything is under way to the last that is counted. */
export interface RunFigures {
  readonly fps: number
  readonly frames: number
  readonly latencyMs: { readonly p50: number; readonly p99: number }
  readonly bytesPerFrame: number
  /** Processor time of each device, in ms for each frame. */
  readonly cpuMsPerFrame: Readonly<Record<string, number>>
}

export interface SchemeFigures {
  readonly key: string
  /** Of its plan at the end, and of the one that it was deployed with. */
  readonly predicted: Predicted | undefined
  readonly deployed: Predicted | undefined
  readonly stages: readonly {
    readonly stage: number
    readonly worker: string
    readonly weightBytes: number
    readonly computeMs: number
  }[]
  /** Its plan at the end; more than at the beginning where it was planned anew meanwhile. */
  readonly epochs: readonly [number, number]
  readonly runs: readonly RunFigures[]
  readonly accuracy: Accuracy
}

export interface Accuracy {
  /** Different frames. */
  readonly frames: number
  readonly maxRelativeError: number
  readonly medianRelativeError: number
  readonly top1Agreement: number
}

/** Instead of figures: why a scheme could not be deployed. */
export interface Refusal {
  readonly key: string
  readonly refused: string
}

export interface Measured {
  readonly schemes: readonly (SchemeFigures | Refusal)[]
  /** Share of a core that a device without frames takes, in the mean. */
  readonly idleCores: number
}
