import { decodeEnvelope, encodeEnvelope } from '../../core/codec/index.js'
import { type KeptFrame } from '../../core/journal.js'
import { DeferredFrame } from './deferred-frame.js'
import { type AdmittedFrame } from './prediction.js'

/** A frame as its stream's journal keeps it. */
export interface FrameRecord {
  readonly note: string
  readonly content: Uint8Array
}

/** Makes a frame of what was kept of it, when its turn comes. */
export type Restore = (kept: KeptFrame) => DeferredFrame

/** @throws TENSOR_INVALID */
export function recordOf({ dispatcher, stream, sequence, admittedAt, tensors }: AdmittedFrame): FrameRecord {
  const header = { dispatcher, stream, sequence, admittedAt, epoch: 0, stage: 0, turn: 0, timings: [] }
  return { note: '', content: encodeEnvelope({ header, tensors }) }
}

export function restoreTensors(kept: KeptFrame): DeferredFrame {
  return new DeferredFrame(kept.bytes, async () => decodeEnvelope(await kept.read()).tensors)
}
