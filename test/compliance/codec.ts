import anyTest, { type TestFn } from 'ava'
import fc from 'fast-check'
import { decodeEnvelope, decodeHeader } from '../../core/codec/index.js'
import { type Envelope } from '../../core/frame.js'
import { DTYPES, isNumericDType } from '../../core/tensor.js'
import { codeOf } from '../support/errors.js'
import {
  anyHeader,
  anyTensor,
  anyTensors,
  HEADER,
  numericTensor,
  plainOf,
  plainTensors,
} from '../support/tensors.js'

const test: TestFn = anyTest

export interface CodecVariant {
  readonly name: string
  readonly encode: (envelope: Envelope) => Uint8Array<ArrayBuffer>
}

/** Some of each: texts, numbers that fold well and some that do not. */
const SAMPLE: Envelope = {
  header: HEADER,
  tensors: {
    flat: { dtype: 'float32', dims: [2, 40], data: new Float32Array(80).fill(1.5) },
    odd: { dtype: 'uint8', dims: [3], data: Uint8Array.of(1, 200, 3) },
    words: { dtype: 'string', dims: [2], data: ['left', 'right'] },
  },
}

/** `message` at `offset` in a buffer of other bytes. */
function placedAt(message: Uint8Array, offset: number): Uint8Array {
  const buffer = new Uint8Array(offset + message.byteLength + 16).fill(0xa5)
  buffer.set(message, offset)
  return buffer.subarray(offset, offset + message.byteLength)
}

/** What every form of the codec keeps. */
export function testCodec({ name, encode }: CodecVariant): void {
  roundTrips(name, encode)
  refusals(name, encode)
}

function roundTrips(name: string, encode: CodecVariant['encode']): void {
  test(`${name} codec - gives back any header and any tensors, in their order`, t => {
    fc.assert(
      fc.property(anyHeader, anyTensors, (header, tensors) => {
        const decoded = decodeEnvelope(encode({ header, tensors }))
        t.deepEqual(decoded.header, header)
        t.deepEqual(plainTensors(decoded.tensors), plainTensors(tensors))
      }),
      { numRuns: 200 },
    )
  })

  for (const dtype of Object.keys(DTYPES).filter(isNumericDType)) {
    test(`${name} codec - gives back ${dtype} tensors bit for bit, wherever the message lies`, t => {
      fc.assert(
        fc.property(numericTensor(dtype), fc.integer({ min: 0, max: 15 }), (value, offset) => {
          const message = encode({ header: HEADER, tensors: { odd: SAMPLE.tensors['odd'] ?? value, value } })
          const decoded = decodeEnvelope(placedAt(message, offset)).tensors['value']
          t.deepEqual(decoded && plainOf(decoded), plainOf(value))
        }),
        { numRuns: 40 },
      )
    })
  }

  test(`${name} codec - gives half of a surrogate pair as the replacement character`, t => {
    const tensors = { words: { dtype: 'string', dims: [2], data: ['a\ud800b', '\udc00'] } } as const
    t.deepEqual(decodeEnvelope(encode({ header: HEADER, tensors })).tensors['words']?.data, [
      'a\ufffdb',
      '\ufffd',
    ])
  })

  test(`${name} codec - carries a failure without tensors`, t => {
    const header = { ...HEADER, error: { code: 'INFERENCE_FAILED', message: 'no such axis' } } as const
    t.deepEqual(decodeEnvelope(encode({ header, tensors: {} })), { header, tensors: {} })
  })

  test(`${name} codec - tells the header alone as it is in the whole`, t => {
    fc.assert(
      fc.property(anyHeader, anyTensor, (header, value) => {
        t.deepEqual(decodeHeader(encode({ header, tensors: { value } })), header)
      }),
      { numRuns: 50 },
    )
  })

  test(`${name} codec - makes a message that is alone in its buffer`, t => {
    const message = encode(SAMPLE)
    t.is(message.byteOffset, 0)
    t.is(message.buffer.byteLength, message.byteLength)
  })

  test(`${name} codec - takes tensors that are views into larger buffers`, t => {
    const data = Float32Array.of(0, 1, 2, 3).subarray(1, 3)
    const message = encode({ header: HEADER, tensors: { data: { dtype: 'float32', dims: [2], data } } })
    t.deepEqual(decodeEnvelope(message).tensors['data']?.data, Float32Array.of(1, 2))
  })
}

function refusals(name: string, encode: CodecVariant['encode']): void {
  test(`${name} codec - notices any single flipped bit`, t => {
    const message = encode(SAMPLE)
    const codes = new Set<unknown>()
    for (let bit = 0; bit < message.byteLength * 8; bit++) {
      const damaged = Uint8Array.from(message)
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      codes.add(codeOf(() => decodeEnvelope(damaged)))
    }
    t.deepEqual(codes, new Set(['ENVELOPE_INVALID', 'ENVELOPE_VERSION', 'ENVELOPE_CORRUPT']))
  })

  test(`${name} codec - notices that the message was cut short, at any length, or is longer`, t => {
    const message = encode(SAMPLE)
    for (let length = 0; length < message.byteLength; length++) {
      const cut = message.subarray(0, length)
      const expected = length < 32 ? 'ENVELOPE_INVALID' : 'ENVELOPE_CORRUPT'
      t.is(
        codeOf(() => decodeEnvelope(cut)),
        expected,
      )
      t.is(
        codeOf(() => decodeHeader(cut)),
        expected,
      )
    }
    const longer = new Uint8Array(message.byteLength + 64)
    longer.set(message)
    t.is(
      codeOf(() => decodeEnvelope(longer)),
      'ENVELOPE_CORRUPT',
    )
  })

  test(`${name} codec - refuses a tensor that is none`, t => {
    const bad = [
      { '': SAMPLE.tensors['odd'] },
      { x: { dtype: 'bfloat16', dims: [1], data: new Uint16Array(1) } },
      { x: { dtype: 'float32', dims: [3], data: new Float32Array(2) } },
      { x: { dtype: 'float32', dims: [2], data: new Float64Array(2) } },
      { x: { dtype: 'string', dims: [2], data: ['one'] } },
      { x: { dtype: 'uint8', dims: Array.from({ length: 65 }, () => 1), data: new Uint8Array(1) } },
    ]
    for (const tensors of bad) {
      t.is(
        codeOf(() => encode({ header: HEADER, tensors: tensors as unknown as Envelope['tensors'] })),
        'TENSOR_INVALID',
      )
    }
  })
}
