import { halfToFloat } from '../../core/compare.js'
import { type ErrorInfo } from '../../core/errors.js'
import { encodeMsgpack } from '../../core/sensing/index.js'
import { type Tensor } from '../../core/tensor.js'
import { type Prediction, topK } from '../dispatcher/index.js'

/** What the lines about a frame begin with. */
export interface FrameNote {
  readonly frameId?: string | undefined
  readonly stream: string
  /** Left out for a frame that no stream took. */
  readonly sequence?: number
  /** From its arrival to this line. */
  readonly ageMs: number
}

/** How a frame ended that has no prediction. */
export type Mishap = { readonly error: ErrorInfo } | { readonly dropped: string; readonly error?: ErrorInfo }

export interface PredictionLine {
  readonly bytes: Uint8Array
  /** Whether it has the values of all outputs. */
  readonly complete: boolean
}

/** Values in one line of JSON: outputs that would make them more are left out. */
const MOST_VALUES = 4_096
/** A list of scores longer than this is none. */
const MOST_CLASSES = 100_000
/** Letters of a text that take as much as a number. */
const TEXT_UNIT = 16

type Element = number | bigint | string

const encoder = new TextEncoder()

export function mishapLine(note: FrameNote, mishap: Mishap): Uint8Array {
  return encoder.encode(JSON.stringify({ ...note, ...mishap }))
}

/**
 * A prediction as JSON: `{ frameId?, stream, sequence, ageMs, epoch, version, top?, outputs }`. `top` lists the `k` best classes of
 * the first output that is a list of scores; `outputs` has dtype, dims and the values, row-major. What JSON has no numbers
 * for is `"NaN"`, `"Infinity"`, `"-Infinity"`, and integers beyond 2^53 are texts.
 * @param maxBytes  a line that would be larger has the values of no output
 */
export function predictionLine(
  note: FrameNote,
  prediction: Prediction,
  k: number,
  maxBytes: number,
): PredictionLine {
  const line = lineWith(note, prediction, k, MOST_VALUES)
  return line.bytes.byteLength <= maxBytes ? line : lineWith(note, prediction, k, 0)
}

/** A prediction with all values: the same fields as MessagePack, `data` being the elements' little-endian bytes. */
export function rawPrediction(note: FrameNote, { epoch, version, outputs }: Prediction): Uint8Array {
  const { frameId, ...rest } = note
  const head = frameId === undefined ? rest : { frameId, ...rest }
  return encodeMsgpack({ ...head, epoch, version }, outputs)
}

function lineWith(
  note: FrameNote,
  { epoch, version, outputs }: Prediction,
  k: number,
  mostValues: number,
): PredictionLine {
  let room = mostValues
  let complete = true
  const shown = Object.entries(outputs).map(([name, tensor]) => {
    const { dtype, dims } = tensor
    const size = sizeOf(tensor)
    const fits = size <= room
    if (fits) room -= size
    complete &&= fits
    return [name, { dtype, dims, ...(fits ? { data: valuesOf(tensor) } : { omitted: OMITTED }) }] as const
  })
  const top = topOf(Object.values(outputs), k)
  const line = {
    ...note,
    epoch,
    version,
    ...(top === undefined ? {} : { top }),
    outputs: Object.fromEntries(shown),
  }
  return { bytes: encoder.encode(JSON.stringify(line)), complete }
}

const OMITTED = 'too many values for JSON: see the same topic with /raw'

function topOf(outputs: readonly Tensor[], k: number): { class: number; score: number }[] | undefined {
  const scores = outputs.find(isScores)
  if (k === 0 || scores === undefined) return undefined
  const numbers = Float64Array.from(scores.data, (element: Element) => numberOf(scores, element))
  if (!numbers.every(Number.isFinite)) return undefined
  const best = topK({ dtype: 'float64', dims: scores.dims, data: numbers }, k)
  return best.map(({ index, value }) => ({ class: index, score: shortened(scores, value) }))
}

/** Floating-point numbers, all along one dim. */
function isScores({ dtype, dims, data }: Tensor): boolean {
  const isList = data.length >= 2 && data.length <= MOST_CLASSES && dims.includes(data.length)
  return dtype.startsWith('float') && isList
}

function sizeOf({ dtype, data }: Tensor): number {
  if (dtype !== 'string') return data.length
  return data.reduce((sum, text) => sum + 1 + Math.floor(text.length / TEXT_UNIT), 0)
}

function valuesOf(tensor: Tensor): unknown[] {
  return Array.from<Element, unknown>(tensor.data, element => {
    if (typeof element === 'string') return element
    if (typeof element === 'bigint') return isSafe(element) ? Number(element) : String(element)
    if (tensor.dtype === 'bool') return element !== 0
    const value = numberOf(tensor, element)
    return Number.isFinite(value) ? shortened(tensor, value) : String(value)
  })
}

function isSafe(value: bigint): boolean {
  return Number.isSafeInteger(Number(value))
}

function numberOf({ dtype }: Tensor, element: Element): number {
  return dtype === 'float16' ? halfToFloat(Number(element)) : Number(element)
}

/** As few digits as give the value back. */
function shortened({ dtype }: Tensor, value: number): number {
  if (dtype === 'float16') return Number(value.toPrecision(5))
  if (dtype !== 'float32') return value
  const digits = FLOAT32_DIGITS.find(count => Math.fround(Number(value.toPrecision(count))) === value)
  return Number(value.toPrecision(digits))
}

/** The last always do. */
const FLOAT32_DIGITS = [6, 7, 8, 9]
