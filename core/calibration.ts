import { decodeEnvelope, encodeEnvelope } from './codec/index.js'
import { MillraceError } from './errors.js'
import { type Tensors } from './tensor.js'

/** Of more frames so many count, evenly spread: parts run on each several times while wires are chosen. */
export const MOST_CALIBRATION_FRAMES = 16
/** Before each envelope: how long it is, a little-endian u32, and nothing up to where the codec aligns. */
const PRELUDE_BYTES = 8
/** What an envelope says of a frame on its way, which these are not. */
const HEADER = {
  ...{ dispatcher: 'calibration', stream: 'calibration' },
  ...{ epoch: 0, stage: 0, admittedAt: 0, timings: [] },
}

/** Frames in one file, in their order. @throws TENSOR_INVALID */
export function packFrames(frames: readonly Tensors[]): Uint8Array<ArrayBuffer> {
  const messages = frames.map((tensors, sequence) =>
    encodeEnvelope({ header: { ...HEADER, sequence, turn: sequence }, tensors }),
  )
  const file = new Uint8Array(messages.reduce((sum, one) => sum + PRELUDE_BYTES + one.byteLength, 0))
  const view = new DataView(file.buffer)
  let offset = 0
  for (const message of messages) {
    view.setUint32(offset, message.byteLength, true)
    file.set(message, offset + PRELUDE_BYTES)
    offset += PRELUDE_BYTES + message.byteLength
  }
  return file
}

/**
 * What `packFrames` packed; tensors are views into `file` where its address allows that.
 * @throws DATASET_INVALID: there is no frame, or the file ends within one; and as `decodeEnvelope`
 */
export function unpackFrames(file: Uint8Array): Tensors[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const frames: Tensors[] = []
  for (let offset = 0; offset < file.byteLength;) {
    const start = offset + PRELUDE_BYTES
    const end = start > file.byteLength ? Infinity : start + view.getUint32(offset, true)
    if (end > file.byteLength) {
      throw new MillraceError(
        'DATASET_INVALID',
        `the file of calibration frames ends within frame ${frames.length}`,
      )
    }
    frames.push(decodeEnvelope(file.subarray(start, end)).tensors)
    offset = end
  }
  if (frames.length === 0) throw new MillraceError('DATASET_INVALID', 'no frame is there to calibrate by')
  return frames
}

/** The positions of the frames that count, of so many. */
export function calibrationFrames(count: number): number[] {
  const taken = Math.min(count, MOST_CALIBRATION_FRAMES)
  return Array.from({ length: taken }, (_, i) => Math.floor((i * count) / taken))
}
