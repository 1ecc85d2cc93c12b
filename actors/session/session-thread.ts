import { parentPort, workerData } from 'node:worker_threads'
import { decodeEnvelope, encodeEnvelope } from '../../core/codec/index.js'
import { MillraceError } from '../../core/errors.js'
import { type Envelope, type FrameHeader, type StageTiming } from '../../core/frame.js'
import { SpareMemory } from '../../core/spare-memory.js'
import { type Tensor, type Tensors, type TensorSpec } from '../../core/tensor.js'
import {
  type Handover,
  type ProcessedEnvelope,
  type SessionReply,
  type SessionRequest,
  type SessionSetup,
  wallClock,
} from './messages.js'
import { type OnnxSession } from './onnx-session.js'
import { openWired } from './wired-session.js'

/**
 * The thread that holds one session. It decodes, runs and encodes, so that the thread with the sockets does none of
 * that (decision D3). It ends by itself on `close`: terminating a thread during a run aborts the whole process.
 */
const setup = workerData as SessionSetup
const port = parentPort
let lastEncodeMs = 0
/** Of frames that came, for those that leave. */
const memory = new SpareMemory()
if (port === null) throw new MillraceError('INTERNAL', 'a session thread must be started as a worker thread')

try {
  const session = await openWired(setup.model, setup.handover ?? {}, setup)
  reply({ type: 'loaded', inputs: session.inputs, outputs: session.outputs })
  serve(session)
} catch (error) {
  reply({ type: 'load-failed', error: MillraceError.from(error, 'ACTIVATION_FAILED').toInfo() })
  port.close()
}

function serve(session: OnnxSession): void {
  let turn = Promise.resolve()
  port?.on('message', (request: SessionRequest) => {
    turn = turn.then(() => handle(session, request))
  })
}

async function handle(session: OnnxSession, request: SessionRequest): Promise<void> {
  switch (request.type) {
    case 'close':
      await session.release()
      port?.close()
      return
    case 'tensors':
      return answerTensors(session, request.id, request.feeds)
    case 'envelope':
      return answerEnvelope(session, request)
    case 'rehearse':
      return answerRehearsal(session, request.id, request.inputs)
  }
}

async function answerTensors(session: OnnxSession, id: number, feeds: Tensors): Promise<void> {
  try {
    const outputs = await session.run(feeds)
    reply({ type: 'tensors', id, outputs }, Object.values(outputs).flatMap(bufferOf))
  } catch (error) {
    reply({ type: 'failed', id, error: MillraceError.from(error, 'INFERENCE_FAILED').toInfo() })
  }
}

async function answerRehearsal(
  session: OnnxSession,
  id: number,
  inputs: readonly TensorSpec[],
): Promise<void> {
  try {
    // Not at the start: few threads rehearse, and what makes up frames takes a third of a start to load.
    const { rehearse } = await import('./rehearse.js')
    reply({ type: 'rehearsed', id, runMs: await rehearse(session, inputs) })
  } catch (error) {
    reply({ type: 'failed', id, error: MillraceError.from(error, 'INFERENCE_FAILED').toInfo() })
  }
}

async function answerEnvelope(
  session: OnnxSession,
  request: Extract<SessionRequest, { type: 'envelope' }>,
): Promise<void> {
  const handover = setup.handover ?? { carries: [], sends: session.outputNames }
  const processed = await processEnvelope(session, handover, request)
  memory.give(request.message.buffer)
  const { message, failed, runMs, packing } = processed
  reply({ type: 'envelope', id: request.id, message, failed, runMs, packing }, [message.buffer])
}

interface Processed extends ProcessedEnvelope {
  readonly message: Uint8Array<ArrayBuffer>
}

/** A frame that cannot be processed goes on as its own error, and alone (promise 6). */
async function processEnvelope(
  session: OnnxSession,
  handover: Handover,
  request: Extract<SessionRequest, { type: 'envelope' }>,
): Promise<Processed> {
  const startedAt = wallClock()
  try {
    const { header, tensors } = decodeEnvelope(request.message)
    const decodedAt = wallClock()
    const outputs = await session.run(pick(session.inputNames, tensors))
    const ranAt = wallClock()
    const runMs = ranAt - decodedAt
    const sent = pick(handover.sends, { ...pick(handover.carries, tensors), ...outputs })
    const timing: StageTiming = {
      stage: header.stage,
      queueMs: startedAt - request.arrivedAt,
      codecMs: decodedAt - startedAt + lastEncodeMs,
      runMs,
      bytesIn: request.message.byteLength,
    }
    const { lz4 } = request
    const message = encodeEnvelope(nextEnvelope(header, sent, timing), { lz4, memory })
    lastEncodeMs = wallClock() - ranAt
    const packing = { rawBytes: bytesOf(sent), bytes: message.byteLength, ms: lastEncodeMs }
    return { message, failed: false, runMs, packing: lz4 ? packing : undefined }
  } catch (error) {
    const info = MillraceError.from(error, 'INFERENCE_FAILED').toInfo()
    const failure: Envelope = { header: { ...request.header, error: info }, tensors: {} }
    return { message: encodeEnvelope(failure), failed: true, runMs: 0 }
  }
}

/** Field by field: a spread takes several times as long. */
function nextEnvelope(header: FrameHeader, tensors: Tensors, timing: StageTiming): Envelope {
  const { dispatcher, stream, sequence, epoch, turn, admittedAt } = header
  const [stage, timings] = [header.stage + 1, [...header.timings, timing]]
  return { header: { dispatcher, stream, sequence, epoch, stage, turn, admittedAt, timings }, tensors }
}

/** @throws FRAME_INPUT_UNKNOWN: the frame lacks a tensor that the stage needs */
function pick(names: readonly string[], tensors: Tensors): Tensors {
  const entries = names.map(name => {
    const value = Object.hasOwn(tensors, name) ? tensors[name] : undefined
    if (value === undefined) {
      throw new MillraceError(
        'FRAME_INPUT_UNKNOWN',
        `the frame has no tensor '${name}'; it has ${Object.keys(tensors).join(', ') || 'none'}`,
      )
    }
    return [name, value] as const
  })
  return Object.fromEntries(entries)
}

function bytesOf(tensors: Tensors): number {
  return Object.values(tensors).reduce(
    (sum, { dtype, data }) => sum + (dtype === 'string' ? 0 : data.byteLength),
    0,
  )
}

function bufferOf(value: Tensor): ArrayBuffer[] {
  return value.dtype === 'string' ? [] : [value.data.buffer]
}

function reply(message: SessionReply, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer)
}
