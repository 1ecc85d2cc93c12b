import test from 'ava'
import { unpack } from 'msgpackr'
import { type Prediction } from '../../../actors/dispatcher/index.js'
import { mishapLine, predictionLine, rawPrediction } from '../../../actors/ingress/results.js'
import { numberToHalf } from '../../../core/sensing/half.js'
import { type NumericData, type NumericDType, tensor, type Tensors } from '../../../core/tensor.js'

const NOTE = { stream: 's', sequence: 4, ageMs: 7 }
const LARGE = 1e6

function predicting(outputs: Tensors): Prediction {
  return {
    dispatcher: 'd',
    stream: 's',
    sequence: 4,
    epoch: 3,
    version: 'abc',
    admittedAt: 0,
    ageMs: 0,
    timings: [],
    bytes: 0,
    outputs,
  }
}

function lineOf(outputs: Tensors, k = 2, maxBytes = LARGE) {
  const { bytes, complete } = predictionLine(NOTE, predicting(outputs), k, maxBytes)
  return {
    complete,
    bytes: bytes.byteLength,
    ...(JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>),
  }
}

const VALUES: readonly (readonly [NumericDType, NumericData, unknown[]])[] = [
  ['float32', Float32Array.of(0.1, -2.5e-30, 16_777_217), [0.1, -2.5e-30, 16_777_216]],
  ['float32', Float32Array.of(NaN, Infinity, -Infinity), ['NaN', 'Infinity', '-Infinity']],
  ['float64', Float64Array.of(0.1, 1 / 3), [0.1, 1 / 3]],
  ['float16', Uint16Array.from([0.1, -65_504], numberToHalf), [0.099976, -65_504]],
  ['int64', BigInt64Array.of(-5n, 2n ** 53n, -(2n ** 63n)), [-5, '9007199254740992', '-9223372036854775808']],
  ['uint64', BigUint64Array.of(2n ** 64n - 1n), ['18446744073709551615']],
  ['bool', Uint8Array.of(0, 1), [false, true]],
  ['int8', Int8Array.of(-128, 127), [-128, 127]],
]

for (const [dtype, data, expected] of VALUES) {
  test(`results - ${dtype} is written so that JSON carries it: ${expected.join()}`, t => {
    const { outputs } = lineOf({ y: tensor(dtype, [data.length], data) }) as { outputs?: unknown }
    t.deepEqual(outputs, { y: { dtype, dims: [data.length], data: expected } })
  })
}

test('results - every float32 can be told from its neighbours', t => {
  const bits = Uint32Array.from({ length: 2_000 }, (_, i) => (i * 2_654_435_761) >>> 0)
  const floats = new Float32Array(bits.buffer).filter(Number.isFinite)
  const { outputs } = lineOf({ y: tensor('float32', [floats.length], floats) }) as unknown as {
    outputs: { y: { data: number[] } }
  }
  t.deepEqual(Float32Array.from(outputs.y.data), floats)
})

test('results - the best classes of the first output that is a list of scores are listed', t => {
  const scores = tensor('float32', [1, 4, 1, 1], Float32Array.of(0.5, 3, -1, 3))
  const box = tensor('float32', [2, 2], Float32Array.of(1, 2, 3, 4))
  const count = tensor('int64', [2], BigInt64Array.of(9n, 8n))
  t.deepEqual(lineOf({ box, count, scores }, 3), {
    ...NOTE,
    epoch: 3,
    version: 'abc',
    complete: true,
    bytes: lineOf({ box, count, scores }, 3).bytes,
    top: [
      { class: 1, score: 3 },
      { class: 3, score: 3 },
      { class: 0, score: 0.5 },
    ],
    outputs: lineOf({ box, count, scores }, 0)['outputs' as never],
  } as never)
  t.false('top' in lineOf({ scores }, 0))
  t.false('top' in lineOf({ box, count }))
  t.false('top' in lineOf({ scores: tensor('float32', [2], Float32Array.of(NaN, 1)) }))
  const halves = tensor('float16', [2], Uint16Array.from([-1, -2], numberToHalf))
  t.like(lineOf({ halves }), {
    top: [
      { class: 0, score: -1 },
      { class: 1, score: -2 },
    ],
  })
})

test('results - outputs that would make a line too long are left out, and the others stay', t => {
  const big = tensor('float32', [4_096], new Float32Array(4_096))
  const small = tensor('float32', [2], Float32Array.of(1, 2))
  t.true(lineOf({ big }).complete)
  const both = lineOf({ big, small }) as unknown as { complete: boolean; outputs: Record<string, object> }
  t.false(both.complete)
  t.true('data' in (both.outputs['big'] ?? {}))
  t.deepEqual(both.outputs['small'], {
    dtype: 'float32',
    dims: [2],
    omitted: 'too many values for JSON: see the same topic with /raw',
  })
  const texts = tensor('string', [2], ['a'.repeat(100_000), 'b'])
  t.false(lineOf({ texts }).complete)
  const short = lineOf({ big }, 2, 1_000)
  t.false(short.complete)
  t.true(short.bytes <= 1_000)
})

test('results - the id of a frame stands in front, and only where it has one', t => {
  const note = { frameId: 'f', ...NOTE }
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
  t.true(
    text(predictionLine(note, predicting({}), 1, LARGE).bytes).startsWith(
      '{"frameId":"f","stream":"s","sequence":4,"ageMs":7',
    ),
  )
  t.is(
    text(mishapLine(NOTE, { dropped: 'stale' })),
    '{"stream":"s","sequence":4,"ageMs":7,"dropped":"stale"}',
  )
  t.like(unpack(rawPrediction(note, predicting({}))), note)
  t.false('frameId' in (unpack(rawPrediction(NOTE, predicting({}))) as object))
})

test('results - raw predictions hold the bytes of numbers, and texts', t => {
  const whole = new Float32Array([9, 1, 2])
  const outputs: Tensors = {
    view: { dtype: 'float32', dims: [2], data: whole.subarray(1) },
    words: tensor('string', [2], ['a', 'ü']),
  }
  const packed = Buffer.from(rawPrediction(NOTE, predicting(outputs)))
  const { outputs: raw } = unpack(packed) as { outputs: unknown }
  t.deepEqual(raw, {
    view: { dtype: 'float32', dims: [2], data: Buffer.from(Float32Array.of(1, 2).buffer) },
    words: { dtype: 'string', dims: [2], data: ['a', 'ü'] },
  })
})
