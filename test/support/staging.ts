import { encodeEnvelope } from '../../core/codec/index.js'
import { type Activation } from '../../core/control/index.js'
import { type FrameHeader } from '../../core/frame.js'
import { row, TOPICS } from './actors.js'

/** A stage in the middle of a pipeline that adds to rows of two, and frames for it. */
export const STAGE = 1
export const EPOCH = 3
export const INBOX = TOPICS.data.stage('p', EPOCH, STAGE, 0)
export const NEXT = TOPICS.data.stage('p', EPOCH, STAGE + 1, 0)
export const RESULTS = TOPICS.data.results('p', 'door')
export const ACTIVATION: Activation = {
  pipeline: 'p',
  epoch: EPOCH,
  stage: STAGE,
  replica: 0,
  term: 1,
  part: { sha256: '0'.repeat(64), bytes: 1 },
  receives: ['x'],
  carries: [],
  sends: ['sum'],
  inbox: { topic: INBOX },
  next: [{ topic: NEXT, weight: 1 }],
  inboxFrames: 8,
  lz4: 'never',
}

export function header(sequence: number, change: Partial<FrameHeader> = {}): FrameHeader {
  const stream = { dispatcher: 'door', stream: 'camera', sequence }
  return { ...stream, epoch: EPOCH, stage: STAGE, turn: sequence, admittedAt: 1, timings: [], ...change }
}

export function frame(sequence: number, change: Partial<FrameHeader> = {}): Uint8Array {
  return encodeEnvelope({ header: header(sequence, change), tensors: { x: row(sequence, 0) } })
}
