import test from 'ava'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { type ErrorCode, MillraceError } from '../../../core/errors.js'
import { decodeJson, decodeMsgpack, decodeRaw } from '../../../core/sensing/index.js'
import { DTYPES, type NumericDType, type Tensors, type TensorSpec } from '../../../core/tensor.js'

const packr = new Packr({ useRecords: false })
const utf8 = new TextEncoder()
const json = (value: unknown) => utf8.encode(typeof value === 'string' ? value : JSON.stringify(value))
const pack = (value: unknown) => new Uint8Array(packr.pack(value))

const pair: TensorSpec = { name: 'x', dtype: 'float32', dims: [1, 2] }
const batch: TensorSpec = { name: 'x', dtype: 'float32', dims: ['batch', 2, 2] }
const ids: TensorSpec = { name: 'ids', dtype: 'int64', dims: [null] }
const texts: TensorSpec = { name: 'words', dtype: 'string', dims: [null] }
const scalar: TensorSpec = { name: 's', dtype: 'float32', dims: [] }

const of = (dtype: NumericDType, name = 'x', dims: TensorSpec['dims'] = [2]): TensorSpec => ({
  name,
  dtype,
  dims,
})
const floats = (...values: number[]) => Float32Array.from(values)
const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
const base64 = (array: ArrayBufferView) => Buffer.from(bytesOf(array)).toString('base64')
const x = (dims: number[], data: Float32Array<ArrayBuffer>): Tensors => ({
  x: { dtype: 'float32', dims, data },
})

const GOOD: readonly (readonly [string, TensorSpec[], unknown, Tensors])[] = [
  ['nested lists', [pair], [[1, 2]], x([1, 2], floats(1, 2))],
  ['lists without the leading one', [pair], [1, 2], x([1, 2], floats(1, 2))],
  ['a flat list in the dims of the model', [batch], [1, 2, 3, 4], x([1, 2, 2], floats(1, 2, 3, 4))],
  [
    'a flat list of several frames',
    [batch],
    [1, 2, 3, 4, 5, 6, 7, 8],
    x([2, 2, 2], floats(1, 2, 3, 4, 5, 6, 7, 8)),
  ],
  [
    'nested lists without the batch',
    [batch],
    [
      [1, 2],
      [3, 4],
    ],
    x([1, 2, 2], floats(1, 2, 3, 4)),
  ],
  [
    'a flat list with dims',
    [batch],
    { data: [1, 2, 3, 4], dims: [1, 2, 2] },
    x([1, 2, 2], floats(1, 2, 3, 4)),
  ],
  ['what has the dtype too', [pair], { data: [[1, 2]], dtype: 'float32' }, x([1, 2], floats(1, 2))],
  ['the name of the input', [pair], { x: [[1, 2]] }, x([1, 2], floats(1, 2))],
  ['any only input as input', [pair], { input: { data: [1, 2] } }, x([1, 2], floats(1, 2))],
  ['what JSON has no numbers for', [pair], ['NaN', '-Infinity'], x([1, 2], floats(NaN, -Infinity))],
  ['a scalar', [scalar], 3, { s: { dtype: 'float32', dims: [], data: floats(3) } }],
  [
    'nothing, where its dims say so',
    [ids],
    { data: [], dims: [0] },
    { ids: { dtype: 'int64', dims: [0], data: new BigInt64Array(0) } },
  ],
  ['texts', [texts], ['a', 'NaN'], { words: { dtype: 'string', dims: [2], data: ['a', 'NaN'] } }],
  [
    'large integers as texts',
    [ids],
    ['9223372036854775807', -5],
    { ids: { dtype: 'int64', dims: [2], data: BigInt64Array.of(2n ** 63n - 1n, -5n) } },
  ],
  ['truth values', [of('bool')], [true, 0], { x: { dtype: 'bool', dims: [2], data: Uint8Array.of(1, 0) } }],
  [
    'halves',
    [of('float16')],
    [1, -2],
    { x: { dtype: 'float16', dims: [2], data: Uint16Array.of(0x3c00, 0xc000) } },
  ],
  [
    'several inputs by name, one of them called data',
    [of('int8', 'data'), of('uint16', 'b')],
    { b: [65_535, 0], data: [-128, 127] },
    {
      data: { dtype: 'int8', dims: [2], data: Int8Array.of(-128, 127) },
      b: { dtype: 'uint16', dims: [2], data: Uint16Array.of(65_535, 0) },
    },
  ],
  [
    'an only input called data',
    [of('float32', 'data')],
    { data: [1, 2] },
    { data: { dtype: 'float32', dims: [2], data: floats(1, 2) } },
  ],
  [
    'an input with the name of what every object has',
    [of('float32', '__proto__'), of('float32', 'constructor')],
    new Map([
      ['constructor', [1, 2]],
      ['__proto__', [3, 4]],
    ]),
    Object.fromEntries([
      ['__proto__', { dtype: 'float32', dims: [2], data: floats(3, 4) }],
      ['constructor', { dtype: 'float32', dims: [2], data: floats(1, 2) }],
    ]),
  ],
]

for (const [what, specs, value, expected] of GOOD) {
  test(`formats - json and msgpack carry ${what}`, t => {
    const text =
      value instanceof Map ? `{${[...value].map(([k, v]) => `"${k}":${JSON.stringify(v)}`).join()}}` : value
    t.deepEqual(decodeJson(json(typeof text === 'string' ? text : JSON.stringify(text)), specs), expected)
    t.deepEqual(decodeMsgpack(pack(value), specs), expected)
  })
}

test('formats - elements may come as bytes: base64 in json, bytes in msgpack', t => {
  const four = floats(1, 2, 3, 4)
  const expected = x([1, 2, 2], four)
  t.deepEqual(decodeJson(json({ data: base64(four) }), [batch]), expected)
  t.deepEqual(decodeJson(json({ x: { data: base64(four), dims: [1, 2, 2] } }), [batch]), expected)
  t.deepEqual(decodeJson(json(JSON.stringify(base64(four))), [batch]), expected)
  t.deepEqual(decodeMsgpack(pack({ data: bytesOf(four) }), [batch]), expected)
  t.deepEqual(
    decodeMsgpack(pack({ x: { dtype: 'float32', dims: [1, 2, 2], data: bytesOf(four) } }), [batch]),
    expected,
  )
  t.deepEqual(decodeMsgpack(pack(bytesOf(four)), [batch]), expected)
})

test('formats - msgpack carries integers of 64 bits, and small ones and dims in whatever width', t => {
  const wide = Buffer.from(
    '83a464617461' + '92cf0000000000000001d3ffffffffffffffff' + 'a464696d73' + '91cf0000000000000002',
    'hex',
  )
  wide[0] = 0x82
  t.deepEqual(decodeMsgpack(wide, [of('int8')]), {
    x: { dtype: 'int8', dims: [2], data: Int8Array.of(1, -1) },
  })
  const most = { ids: { dtype: 'int64', dims: [1], data: BigInt64Array.of(-(2n ** 63n)) } } as const
  t.deepEqual(decodeMsgpack(Buffer.from('91d38000000000000000', 'hex'), [ids]), most)
})

const BAD: readonly (readonly [string, TensorSpec[], unknown, ErrorCode, RegExp])[] = [
  ['too few elements', [pair], [1], 'FRAME_SHAPE', /'x' is \[1, 2\], of 2 elements; the message has 1/],
  [
    'no whole number of frames',
    [batch],
    [1, 2, 3, 4, 5],
    'FRAME_SHAPE',
    /of 4 elements a frame; the message has 5/,
  ],
  ['lists of several lengths', [batch], [[1, 2], [3]], 'FRAME_MALFORMED', /lists of several lengths/],
  ['a list beside numbers', [pair], [1, [2]], 'FRAME_MALFORMED', /element 1 of 'x' is a list/],
  ['lists that are too deep', [pair], [[[[1]]]], 'FRAME_MALFORMED', /nests lists more than 2 deep/],
  [
    'a text among numbers',
    [pair],
    [1, 'two'],
    'FRAME_MALFORMED',
    /element 1 of 'x' is 'two', which is no float32/,
  ],
  ['a null', [pair], null, 'FRAME_MALFORMED', /null/],
  [
    'another dtype',
    [pair],
    { data: [1, 2], dtype: 'int8' },
    'FRAME_DTYPE',
    /'x' is float32, but the message says int8/,
  ],
  [
    'dims that do not fit the data',
    [pair],
    { data: [1, 2, 3], dims: [1, 2] },
    'FRAME_MALFORMED',
    /has 3 elements, but dims \[1, 2\] make 2/,
  ],
  ['dims that are none', [pair], { data: [1, 2], dims: [1, -2] }, 'FRAME_MALFORMED', /dims that are no list/],
  ['dims beyond everything', [pair], { data: [], dims: [2 ** 40, 2 ** 40] }, 'FRAME_MALFORMED', /make 1\.2/],
  ['a tensor with more keys', [pair], { x: { data: [1, 2], size: 2 } }, 'FRAME_MALFORMED', /not size/],
  ['a tensor without data', [pair], { x: { dims: [1, 2] } }, 'FRAME_MALFORMED', /needs data/],
  ['another name', [pair], { y: [1, 2] }, 'FRAME_INPUT_UNKNOWN', /names 'y'; the model's inputs are x/],
  ['one input of two', [pair, ids], { x: [1, 2] }, 'FRAME_INPUT_UNKNOWN', /lacks the input 'ids'/],
  ['no names for two inputs', [pair, ids], [1, 2], 'FRAME_INPUT_UNKNOWN', /inputs are x, ids/],
  ['a text that is no base64', [pair], { data: 'AAAAA===' }, 'FRAME_MALFORMED', /no base64/],
  [
    'too few bytes',
    [pair],
    { data: 'AAAAAA==', dims: [1, 2] },
    'FRAME_MALFORMED',
    /has 4 bytes, but float32 \[1, 2\] makes 8/,
  ],
  ['half an element', [pair], { data: 'AAAA' }, 'FRAME_MALFORMED', /3 bytes, no number of float32/],
  ['a fraction', [of('int32')], [1, 0.5], 'FRAME_MALFORMED', /is 0\.5, which is no int32/],
  ['an integer that is too large', [of('uint8')], [256, 0], 'FRAME_MALFORMED', /is 256, which is no uint8/],
  ['an integer that JSON has rounded', [ids], [2 ** 53], 'FRAME_MALFORMED', /which is no int64/],
  ['more than 64 bits', [ids], ['9223372036854775808'], 'FRAME_MALFORMED', /no int64/],
  ['a bool of 2', [of('bool')], [2, 0], 'FRAME_MALFORMED', /no bool/],
  ['a number among texts', [texts], [1], 'FRAME_MALFORMED', /no string/],
]

for (const [what, specs, value, code, message] of BAD) {
  test(`formats - json and msgpack refuse ${what}`, t => {
    t.throws(() => decodeJson(json(JSON.stringify(value)), specs), { code, message })
    t.throws(() => decodeMsgpack(pack(value), specs), { code, message })
  })
}

test('raw - the elements of each dtype stand little-endian, input after input', t => {
  for (const dtype of Object.keys(DTYPES) as NumericDType[]) {
    const { array, bits } = DTYPES[dtype]
    const bytes = new Uint8Array(bits / 4)
    bytes[bits / 8] = 1
    const data = new array(bytes.buffer)
    t.deepEqual(decodeRaw(bytes, [of(dtype)]), { x: { dtype, dims: [2], data } })
  }
  const both = Buffer.concat([Buffer.of(1, 0, 2, 0), Buffer.of(7, 8)])
  t.deepEqual(decodeRaw(both, [of('uint16', 'b', ['n', 2]), of('uint8', 'a')]), {
    b: { dtype: 'uint16', dims: [1, 2], data: Uint16Array.of(1, 2) },
    a: { dtype: 'uint8', dims: [2], data: Uint8Array.of(7, 8) },
  })
})

test('raw - an only input may hold several frames, and starts at any byte of the message', t => {
  const odd = Buffer.concat([Buffer.of(9), bytesOf(floats(1, 2, 3, 4, 5, 6, 7, 8))]).subarray(1)
  t.deepEqual(decodeRaw(odd, [batch]), x([2, 2, 2], floats(1, 2, 3, 4, 5, 6, 7, 8)))
})

test('raw - is refused where its length does not fit', t => {
  const refuses = (bytes: number, specs: TensorSpec[], code: ErrorCode, message: RegExp) =>
    t.throws(() => decodeRaw(new Uint8Array(bytes), specs), { code, message })
  refuses(7, [pair], 'FRAME_MALFORMED', /7 bytes are no number of float32 elements, each of 4 bytes/)
  refuses(12, [pair], 'FRAME_SHAPE', /2 elements; the message has 3/)
  refuses(0, [batch], 'FRAME_SHAPE', /the message has 0/)
  refuses(9, [pair, of('uint8', 'a')], 'FRAME_MALFORMED', /take 10 bytes \(x 8, a 2\), the message has 9/)
  refuses(2, [texts], 'FRAME_MALFORMED', /takes texts/)
  t.throws(() => decodeRaw(Uint8Array.of(1, 2), [of('bool')]), {
    code: 'FRAME_MALFORMED',
    message: /element 1 .* no bool/,
  })
})

const SPECS: readonly TensorSpec[][] = [
  [pair],
  [batch],
  [ids],
  [texts],
  [scalar],
  [of('bool')],
  [pair, ids],
  [],
]

test('formats - whatever bytes come, they fail as a frame that is malformed', t => {
  const decoders = [decodeRaw, decodeJson, decodeMsgpack]
  const value = fc.jsonValue({ maxDepth: 4 })
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    value.map(json),
    value.map(pack),
    fc.tuple(value.map(pack), fc.nat(), fc.nat(255)).map(([bytes, at, byte]) => {
      bytes[at % bytes.length] = byte
      return bytes
    }),
    fc.record({ data: value, dims: value, dtype: value }, { requiredKeys: ['data'] }).map(json),
  )
  fc.assert(
    fc.property(payload, fc.constantFrom(...SPECS), fc.constantFrom(...decoders), (bytes, specs, decode) => {
      try {
        decode(bytes, specs)
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error
        if (!error.code.startsWith('FRAME_')) throw error
        if (error.message.length > 400) throw new Error(`a message of ${error.message.length} letters`)
      }
    }),
    { numRuns: 3_000 },
  )
  t.pass()
})

test('formats - numbers come as they were sent', t => {
  const values = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 4, maxLength: 4 })
  fc.assert(
    fc.property(values, list => {
      const expected = x([1, 2, 2], floats(...list.map(value => value + 0)))
      const same = list.map(value => value + 0)
      t.deepEqual(decodeJson(json(same), [batch]), expected)
      t.deepEqual(decodeMsgpack(pack(same), [batch]), expected)
      t.deepEqual(decodeRaw(bytesOf(floats(...same)), [batch]), expected)
    }),
  )
})

const malformed = (
  t: { throws: (run: () => unknown, how: object) => unknown },
  run: () => unknown,
  message: RegExp,
) => t.throws(run, { code: 'FRAME_MALFORMED', message })

test('json - what nests deeply or has too many values is refused before it takes memory', t => {
  malformed(
    t,
    () => decodeJson(json('['.repeat(1_000_000) + ']'.repeat(1_000_000)), [pair]),
    /nests lists more than 2/,
  )
  malformed(
    t,
    () => decodeJson(json(`{"x":${'{"a":'.repeat(500_000)}1${'}'.repeat(500_001)}`), [pair]),
    /needs data/,
  )
  malformed(t, () => decodeJson(json(`[${'[],'.repeat(2_000_000)}[]]`), [pair]), /more than 2000000 values/)
  malformed(t, () => decodeJson(json('garbage'), [pair]), /no JSON/)
  malformed(t, () => decodeJson(Uint8Array.of(0x22, 0xff, 0x22), [pair]), /no JSON/)
})

test('msgpack - what nests deeply, has too many values or more than plain ones is refused', t => {
  const nested = new Uint8Array(1_000_000).fill(0x91)
  malformed(t, () => decodeMsgpack(nested, [pair]), /nests more than 32 deep/)
  const many = new Uint8Array(4_000_005).fill(0x90)
  many.set([0xdd, 0, 0x3d, 0x09, 0x00])
  malformed(t, () => decodeMsgpack(many, [pair]), /more than 2000000 values/)
  const claims = Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff, 0x01)
  malformed(t, () => decodeMsgpack(claims, [pair]), /ends in the middle/)
  const extension = Uint8Array.of(0xd4, 0x00, 0x00)
  malformed(t, () => decodeMsgpack(extension, [pair]), /holds something else/)
  malformed(t, () => decodeMsgpack(new Uint8Array(0), [pair]), /ends too early/)
  malformed(t, () => decodeMsgpack(Uint8Array.of(0x92, 1, 2, 3), [pair]), /goes on after/)
})
