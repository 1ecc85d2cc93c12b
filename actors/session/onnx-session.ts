import './telemetry-off.js'
import { env, InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { type ErrorCode, MillraceError, messageOf } from '../../core/errors.js'
import {
  isDType,
  type NumericData,
  type Tensor,
  type Tensors,
  type TensorSpec,
  tensor,
} from '../../core/tensor.js'

export interface SessionOptions {
  /** Threads that one operator may use. A partition has a machine's core to itself, so 1 by default. */
  readonly threads?: number
  /** Path, without its end, of a file that ONNX Runtime's profiler writes; left out, it does not run. */
  readonly profilePrefix?: string
}

/** The version of ONNX Runtime. */
export const ONNXRUNTIME_VERSION = env.versions.node ?? env.versions.common

/** A model loaded into ONNX Runtime. `run` blocks its event loop for the whole inference (decision D3). */
export interface OnnxSession {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  /**
   * @param feeds  one tensor per input, each with an ArrayBuffer that is neither shared nor detached; viewed, not copied
   * @throws INFERENCE_FAILED: ONNX Runtime refuses the inputs or fails on them
   */
  run(feeds: Tensors): Promise<Tensors>
  /** Writes the profiler's file. */
  endProfiling(): void
  release(): Promise<void>
}

/**
 * @param model  path of an ONNX file, or its bytes
 * @throws MODEL_UNSUPPORTED: ONNX Runtime cannot load it (an unknown operator, a newer opset); MODEL_INVALID: it is
 *   not a model at all; MODEL_NOT_FOUND
 */
export async function openSession(
  model: string | Uint8Array,
  options: SessionOptions = {},
): Promise<OnnxSession> {
  const settings: InferenceSession.SessionOptions = {
    intraOpNumThreads: options.threads ?? 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    logSeverityLevel: 4,
    ...(options.profilePrefix === undefined
      ? {}
      : { enableProfiling: true, profileFilePrefix: options.profilePrefix }),
  }
  const session = await create(model, settings)
  return {
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    inputs: session.inputMetadata.map(specOf),
    outputs: session.outputMetadata.map(specOf),
    run: feeds => run(session, feeds),
    endProfiling: () => session.endProfiling(),
    release: () => session.release(),
  }
}

async function create(
  model: string | Uint8Array,
  settings: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  try {
    // Two calls, because the overloads take one type each.
    if (typeof model === 'string') return await InferenceSession.create(model, settings)
    return await InferenceSession.create(model, settings)
  } catch (error) {
    const message = firstLine(messageOf(error))
    throw new MillraceError(codeOf(message), `ONNX Runtime cannot load the model: ${message}`, {
      cause: error,
    })
  }
}

function codeOf(message: string): ErrorCode {
  if (/File doesn't exist/i.test(message)) return 'MODEL_NOT_FOUND'
  return /INVALID_PROTOBUF|Protobuf parsing failed/i.test(message) ? 'MODEL_INVALID' : 'MODEL_UNSUPPORTED'
}

async function run(session: InferenceSession, feeds: Tensors): Promise<Tensors> {
  try {
    const results = await session.run(
      Object.fromEntries(Object.entries(feeds).map(([name, value]) => [name, toOrt(value)])),
    )
    return Object.fromEntries(session.outputNames.map(name => [name, fromOrt(name, results[name])]))
  } catch (error) {
    throw MillraceError.from(error, 'INFERENCE_FAILED', 'ONNX Runtime: ')
  }
}

function toOrt(value: Tensor): OrtTensor {
  return value.dtype === 'string'
    ? new OrtTensor('string', [...value.data], value.dims)
    : new OrtTensor(value.dtype, value.data as Float32Array, value.dims)
}

function fromOrt(name: string, value: OrtTensor | undefined): Tensor {
  if (value === undefined || !isDType(value.type)) {
    throw new MillraceError(
      'INFERENCE_FAILED',
      `output '${name}' is not a tensor of a type that can be carried`,
    )
  }
  return tensor(value.type, value.dims, value.type === 'string' ? (value.data as string[]) : bitsOf(value))
}

/** Newer versions of Node.js have a Float16Array, which ONNX Runtime then gives; a Tensor holds the bits. */
function bitsOf(value: OrtTensor): NumericData {
  const data = value.data as NumericData
  return value.type === 'float16' ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data
}

function specOf(value: InferenceSession.ValueMetadata): TensorSpec {
  if (!value.isTensor || !isDType(value.type)) {
    throw new MillraceError(
      'MODEL_UNSUPPORTED',
      `'${value.name}' is not a tensor of a type that can be carried`,
    )
  }
  return { name: value.name, dtype: value.type, dims: value.shape.map(dim => (dim === -1 ? null : dim)) }
}

/** ONNX Runtime's messages go on with source positions after the first line. */
function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text
}
