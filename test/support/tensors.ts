import fc from 'fast-check'
import { type FrameHeader } from '../../core/frame.js'
import { DTYPES, elementCount, type NumericDType, type Tensor, type Tensors } from '../../core/tensor.js'
import { ERRORS, type ErrorCode } from '../../core/errors.js'

const NUMERIC = Object.keys(DTYPES).filter((key): key is NumericDType => key in DTYPES)
const TRICKY_NAMES = [
  '__proto__',
  'constructor',
  'toString',
  '0',
  ' ',
  'résumé ☕ 🐙',
  'x'.repeat(3000),
  'a/b.c:0',
]

export const HEADER: FrameHeader = {
  dispatcher: 'door',
  stream: 'camera-1',
  sequence: 7,
  epoch: 3,
  stage: 1,
  turn: 9,
  admittedAt: 1_700_000_000_000.25,
  timings: [{ stage: 0, queueMs: 0.5, codecMs: 0.25, runMs: 12, bytesIn: 4096 }],
}

const dims = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 })
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', '\uFEFFmarked', '\u0000', 'naïve 🐙', 'x'.repeat(300)),
)

/** A numeric tensor of any bits, NaNs of any payload among them. */
export function numericTensor(dtype: NumericDType): fc.Arbitrary<Tensor> {
  const { array, bits } = DTYPES[dtype]
  return dims.chain(dims => {
    const length = (elementCount(dims) * bits) / 8
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: length, maxLength: length }),
      fc.constant(new Uint8Array(length).fill(1)),
    )
    return bytes.map(bytes => ({ dtype, dims, data: new array(Uint8Array.from(bytes).buffer) }))
  })
}

export const stringTensor: fc.Arbitrary<Tensor> = dims.chain(dims => {
  const length = elementCount(dims)
  return fc
    .array(text, { minLength: length, maxLength: length })
    .map(data => ({ dtype: 'string' as const, dims, data }))
})

export const anyTensor: fc.Arbitrary<Tensor> = fc.oneof(...NUMERIC.map(numericTensor), stringTensor)

const tensorName = fc.oneof(fc.constantFrom(...TRICKY_NAMES), fc.string({ unit: 'grapheme', minLength: 1 }))

export const anyTensors: fc.Arbitrary<Tensors> = fc
  .uniqueArray(fc.tuple(tensorName, anyTensor), { selector: ([name]) => name, maxLength: 6 })
  .map(entries => Object.fromEntries(entries))

const name = fc.stringMatching(/^[a-z0-9-]{1,64}$/)
const count = fc.oneof(fc.nat(), fc.maxSafeNat())
/** Without -0, which a small message carries as 0. */
const time = fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => value + 0)
const errorCode = fc.constantFrom(...Object.keys(ERRORS).filter((code): code is ErrorCode => code in ERRORS))

export const anyHeader: fc.Arbitrary<FrameHeader> = fc.record(
  {
    dispatcher: name,
    stream: name,
    sequence: count,
    epoch: count,
    stage: count,
    turn: count,
    admittedAt: time,
    timings: fc.array(
      fc.record(
        { stage: count, queueMs: time, codecMs: time, runMs: time, bytesIn: count },
        { noNullPrototype: true },
      ),
      { maxLength: 5 },
    ),
    error: fc.record(
      { code: errorCode, message: fc.string({ unit: 'grapheme' }) },
      { noNullPrototype: true },
    ),
  },
  {
    noNullPrototype: true,
    requiredKeys: ['dispatcher', 'stream', 'sequence', 'epoch', 'stage', 'turn', 'admittedAt', 'timings'],
  },
)

/** What a tensor is, with its numbers as bytes, so that NaNs compare by their bits. */
export function plainOf({ dtype, dims, data }: Tensor) {
  return {
    dtype,
    dims: [...dims],
    kind: data.constructor.name,
    data: ArrayBuffer.isView(data)
      ? Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')
      : data,
  }
}

/** Entries instead of keys, so that a tensor named `__proto__` shows. */
export function plainTensors(tensors: Tensors) {
  return Object.entries(tensors).map(([name, tensor]) => [name, plainOf(tensor)] as const)
}
