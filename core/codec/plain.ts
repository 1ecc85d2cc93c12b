import { MillraceError } from '../errors.js'

/** The header is an array, with the array of tensors, each an array, with the array of its dims. */
const MOST_NESTING = 4

/** Bytes after the first one that each fixed-size scalar takes. */
const SCALARS = new Map<number, number>([
  [0xc0, 0], // nil
  [0xca, 4], // float32
  [0xcb, 8], // float64
  [0xcc, 1], // uint8 to uint64
  [0xcd, 2],
  [0xce, 4],
  [0xcf, 8],
  [0xd0, 1], // int8 to int64
  [0xd1, 2],
  [0xd2, 4],
  [0xd3, 8],
])

/** Bytes of the length that follows the first byte of a long text or array. */
const LENGTHS = new Map<number, number>([
  [0xd9, 1], // text
  [0xda, 2],
  [0xdb, 4],
  [0xdc, 2], // array
  [0xdd, 4],
])

/** One value at `at`, without its elements where it is an array: where it ends, and how many elements follow. */
interface Token {
  readonly end: number
  readonly elements: number
}

/**
 * Checks that `bytes` are one MessagePack value made of arrays, texts, numbers and null, whole and not deep. A general
 * reader knows more: extensions that build objects, records that it compiles to functions. A message from a network
 * reaches none of that.
 * @throws ENVELOPE_INVALID
 */
export function checkPlain(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  /** Elements that are still to come, of each array that is open. */
  const open = [1]
  let at = 0
  while (open.length > 0) {
    const left = open.pop() ?? 0
    if (left === 0) continue
    if (at === bytes.byteLength) throw invalid('ends too early')
    const { end, elements } = tokenAt(view, at)
    // Each element takes a byte at least.
    if (end + elements > bytes.byteLength) throw invalid('ends in the middle of a value')
    open.push(left - 1)
    if (elements > 0) open.push(elements)
    if (open.length > MOST_NESTING + 1) throw invalid(`nests more than ${MOST_NESTING} deep`)
    at = end
  }
  if (at !== bytes.byteLength) throw invalid('goes on after its value')
}

function tokenAt(view: DataView, at: number): Token {
  const first = view.getUint8(at)
  if (first < 0x80 || first >= 0xe0) return { end: at + 1, elements: 0 }
  if (first >= 0x90 && first < 0xa0) return { end: at + 1, elements: first - 0x90 }
  if (first >= 0xa0 && first < 0xc0) return { end: at + 1 + first - 0xa0, elements: 0 }
  const scalar = SCALARS.get(first)
  if (scalar !== undefined) return { end: at + 1 + scalar, elements: 0 }
  return longTokenAt(view, at, first)
}

function longTokenAt(view: DataView, at: number, first: number): Token {
  const lengthBytes = LENGTHS.get(first)
  if (lengthBytes === undefined) throw invalid('holds something else than arrays, texts, numbers and null')
  const end = at + 1 + lengthBytes
  if (end > view.byteLength) throw invalid('ends in the middle of a value')
  const length = unsignedAt(view, at + 1, lengthBytes)
  return first < 0xdc ? { end: end + length, elements: 0 } : { end, elements: length }
}

function unsignedAt(view: DataView, at: number, bytes: number): number {
  if (bytes === 1) return view.getUint8(at)
  return bytes === 2 ? view.getUint16(at) : view.getUint32(at)
}

function invalid(problem: string): MillraceError {
  return new MillraceError('ENVELOPE_INVALID', `the header ${problem}`)
}
