import { type ErrorInfo } from '../../../core/errors.js'
import { type TensorSpec } from '../../../core/tensor.js'
import { type PartId } from '../../model-store/index.js'

/** A file that a model refers to by its location, and where it is. */
export interface StoredData {
  readonly location: string
  readonly path: string
}

/** What is to be made of a model. */
export interface Order {
  /** Path of the ONNX file, and its name in messages. */
  readonly model: string
  readonly name: string
  readonly partitions: number
  /** Whether fewer will do where the model has not that many. */
  readonly fewerWillDo: boolean
  /** What the model keeps outside of its file. */
  readonly data: readonly StoredData[]
  /** Where the parts go: the directory of a part store, and its limit. */
  readonly directory: string
  readonly limitBytes: number
  readonly measureMs: number
  /** Time that a byte takes from one worker to the next, in ms. */
  readonly linkMsPerByte: number
}

/** One partition, stored and measured. */
export interface PreparedPart {
  readonly part: PartId
  readonly receives: readonly string[]
  readonly carries: readonly string[]
  readonly sends: readonly string[]
  readonly operators: number
  readonly weightBytes: number
  readonly outBytes: number
  readonly computeMs: number
}

export interface PreparedModel {
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  readonly parts: readonly PreparedPart[]
  /** Largest relative error of the chain of parts against the uncut model, on a sample frame. */
  readonly sampleError: number
}

export type WorkshopReply =
  | { readonly type: 'prepared'; readonly model: PreparedModel }
  | { readonly type: 'failed'; readonly error: ErrorInfo }
