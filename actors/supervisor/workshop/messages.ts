import { type ErrorInfo } from '../../../core/errors.js'
import { type TensorSpec } from '../../../core/tensor.js'
import { type Coding, type CutWire, type Wire } from '../../../core/wire.js'
import { type PartId } from '../../model-store/index.js'
import { type Times, type TimesOrder } from '../../profiler/index.js'

/** A file that a model refers to by its location, and where it is. */
export interface StoredData {
  readonly location: string
  readonly path: string
}

/** A model to be cut. */
export interface CutOrder {
  /** Path of the ONNX file, and its name in messages. */
  readonly model: string
  readonly name: string
  /** What the model keeps outside of its file. */
  readonly data: readonly StoredData[]
  /** Path of a file of frames to choose and check wires by; left out: sample frames. */
  readonly frames?: string | undefined
  /** Positions, strictly increasing. */
  readonly cuts: readonly number[]
  /** What float32 tensors cross each of the cuts as; left out: f32. */
  readonly wires?: readonly CutWire[] | undefined
  /** Where wires are chosen: the largest relative error on these frames; while it is above, wires become more exact. */
  readonly wireError?: number | undefined
  /** Where the parts go: the directory of a part store, and its limit. */
  readonly directory: string
  readonly limitBytes: number
}

/** What the thread is to do, once. */
export type Order =
  | { readonly type: 'measure'; readonly order: TimesOrder }
  | { readonly type: 'cut'; readonly order: CutOrder }

/** One partition, stored. */
export interface CutPart {
  readonly part: PartId
  readonly receives: readonly string[]
  readonly carries: readonly string[]
  readonly sends: readonly string[]
  /** As in `Wiring`. */
  readonly decodes?: readonly Coding[] | undefined
  readonly encodes?: readonly Coding[] | undefined
  /** What the float32 tensors leave as that it sends; left out: f32. */
  readonly wire?: Wire | undefined
  readonly operators: number
  readonly weightBytes: number
  /** Of what it sends for the first frame. */
  readonly outBytes: number
  /** What its model takes for the first frame. */
  readonly rehearse?: readonly TensorSpec[]
}

/** One partition, and what it is expected to take of its worker. */
export interface PreparedPart extends CutPart {
  /** For each frame of the pipeline. */
  readonly computeMs: number
  readonly memoryBytes: number
}

export interface CutModel {
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  readonly parts: readonly CutPart[]
  /** What float32 tensors cross each of the cuts as. */
  readonly wires: readonly Wire[]
  /** Largest relative error of the chain of parts against the uncut model, on the order's frames, a sample frame, or several. */
  readonly sampleError: number
}

export type WorkshopReply =
  | { readonly type: 'measured'; readonly times: Times }
  | { readonly type: 'cut'; readonly model: CutModel }
  | { readonly type: 'failed'; readonly error: ErrorInfo }
