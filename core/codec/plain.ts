import { MillraceError } from '../errors.js'

/** What a message may hold. */
export interface PlainRules {
  /** Arrays and maps inside one another. */
  readonly mostNesting: number
  /** Values in all, each key and each element counted; those of bytes and texts are one. */
  readonly mostValues: number
  /** Whether there may be maps, bytes and truth values beside arrays, texts, numbers and null. */
  readonly rich: boolean
  readonly fail: (problem: string) => MillraceError
}

/** The header is an array, with the array of tensors, each an array, with the array of its dims. */
const HEADER: PlainRules = {
  mostNesting: 4,
  mostValues: Infinity,
  rich: false,
  fail: problem => new MillraceError('ENVELOPE_INVALID', `the header ${problem}`),
}

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

interface Long {
  /** Bytes of the length that follows the first byte. */
  readonly lengthBytes: number
  /** Values that each unit of the length stands for; 0 where it counts bytes. */
  readonly each: 0 | 1 | 2
}

const LONG = new Map<number, Long>([
  [0xd9, { lengthBytes: 1, each: 0 }], // text
  [0xda, { lengthBytes: 2, each: 0 }],
  [0xdb, { lengthBytes: 4, each: 0 }],
  [0xdc, { lengthBytes: 2, each: 1 }], // array
  [0xdd, { lengthBytes: 4, each: 1 }],
])

const RICH = new Map<number, Long>([
  ...LONG,
  [0xc4, { lengthBytes: 1, each: 0 }], // bytes
  [0xc5, { lengthBytes: 2, each: 0 }],
  [0xc6, { lengthBytes: 4, each: 0 }],
  [0xde, { lengthBytes: 2, each: 2 }], // map
  [0xdf, { lengthBytes: 4, each: 2 }],
])

/** One value at `at`, without its elements where it is an array: where it ends, and how many elements follow. */
interface Token {
  readonly end: number
  readonly elements: number
}

/**
 * Checks that `bytes` are one MessagePack value as the rules allow it, whole and not deep. A general reader knows more:
 * extensions that build objects, records that it compiles to functions. A message from a network reaches none of that.
 * @throws ENVELOPE_INVALID, or what the rules fail with
 */
export function checkPlain(bytes: Uint8Array, rules: PlainRules = HEADER): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  /** Elements that are still to come, of each array that is open. */
  const open = [1]
  let at = 0
  let values = 0
  while (open.length > 0) {
    const left = open.pop() ?? 0
    if (left === 0) continue
    if (at === bytes.byteLength) throw rules.fail('ends too early')
    const { end, elements } = tokenAt(view, at, rules)
    // Each element takes a byte at least.
    if (end + elements > bytes.byteLength) throw rules.fail('ends in the middle of a value')
    values += elements
    if (values > rules.mostValues) throw rules.fail(`holds more than ${rules.mostValues} values`)
    open.push(left - 1)
    if (elements > 0) open.push(elements)
    if (open.length > rules.mostNesting + 1) throw rules.fail(`nests more than ${rules.mostNesting} deep`)
    at = end
  }
  if (at !== bytes.byteLength) throw rules.fail('goes on after its value')
}

function tokenAt(view: DataView, at: number, rules: PlainRules): Token {
  const first = view.getUint8(at)
  if (first < 0x80 || first >= 0xe0) return { end: at + 1, elements: 0 }
  if (first < 0x90 && rules.rich) return { end: at + 1, elements: 2 * (first - 0x80) }
  if (first >= 0x90 && first < 0xa0) return { end: at + 1, elements: first - 0x90 }
  if (first >= 0xa0 && first < 0xc0) return { end: at + 1 + first - 0xa0, elements: 0 }
  if ((first === 0xc2 || first === 0xc3) && rules.rich) return { end: at + 1, elements: 0 }
  const scalar = SCALARS.get(first)
  if (scalar !== undefined) return { end: at + 1 + scalar, elements: 0 }
  return longTokenAt(view, at, first, rules)
}

function longTokenAt(view: DataView, at: number, first: number, { rich, fail }: PlainRules): Token {
  const long = (rich ? RICH : LONG).get(first)
  if (long === undefined) {
    const more = rich ? 'maps, bytes, truth values, ' : ''
    throw fail(`holds something else than ${more}arrays, texts, numbers and null`)
  }
  const end = at + 1 + long.lengthBytes
  if (end > view.byteLength) throw fail('ends in the middle of a value')
  const length = unsignedAt(view, at + 1, long.lengthBytes)
  return long.each === 0 ? { end: end + length, elements: 0 } : { end, elements: length * long.each }
}

function unsignedAt(view: DataView, at: number, bytes: number): number {
  if (bytes === 1) return view.getUint8(at)
  return bytes === 2 ? view.getUint16(at) : view.getUint32(at)
}
