import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ThreadedSession, wallClock } from '../../../actors/session/index.js'
import { decodeEnvelope, encodeEnvelope } from '../../../core/codec/index.js'
import { type FrameHeader } from '../../../core/frame.js'
import { ModelBuilder } from '../../../core/synthetic/index.js'
import { DTYPES, isNumericDType, tensor } from '../../../core/tensor.js'
import { adder, modelFile, numbersOf, plodder, rejection, row, testFolder } from '../../support/actors.js'
import { type ElementType, node, onnxBytes, value } from '../../support/onnx-builder.js'

/** Where ONNX calls them otherwise. */
const OTHER_NAMES: Readonly<Record<string, ElementType>> = { float32: 'FLOAT', float64: 'DOUBLE' }

const HEADER: FrameHeader = {
  dispatcher: 'door',
  stream: 'camera',
  sequence: 5,
  epoch: 1,
  stage: 0,
  turn: 5,
  admittedAt: 1,
  timings: [],
}

/** A test that fails leaves no thread behind, which would keep the process. */
async function opened(
  t: ExecutionContext,
  setup: Parameters<typeof ThreadedSession.open>[0],
): Promise<ThreadedSession> {
  const session = await ThreadedSession.open(setup)
  t.teardown(() => session.close())
  return session
}

test('a threaded session - says what the model takes and gives, and runs it', async t => {
  const session = await opened(t, { model: await modelFile(t, adder(3)) })
  t.deepEqual(session.inputs, [{ name: 'x', dtype: 'float32', dims: [1, 2] }])
  t.deepEqual(session.outputs, [{ name: 'sum', dtype: 'float32', dims: [1, 2] }])
  t.deepEqual(numbersOf(await session.run({ x: row(1, 2) }), 'sum'), [4, 5])
})

test('a threaded session - answers runs that overlap each with its own outputs', async t => {
  const session = await opened(t, { model: await modelFile(t, adder(1)) })
  const runs = Array.from({ length: 20 }, (_, i) => session.run({ x: row(i, -i) }))
  const answers = (await Promise.all(runs)).map(outputs => numbersOf(outputs, 'sum'))
  t.deepEqual(
    answers,
    answers.map((_, i) => [i + 1, 1 - i]),
  )
})

test('a threaded session - leaves the tensors of a run with the caller', async t => {
  const session = await opened(t, { model: await modelFile(t, adder(1)) })
  const x = row(1, 2)
  await session.run({ x })
  t.deepEqual(numbersOf({ x }, 'x'), [1, 2])
})

test('a threaded session - goes on after feeds that the model does not take', async t => {
  const session = await opened(t, { model: await modelFile(t, adder(1)) })
  const wrong = [
    { other: row(1, 2) },
    { x: row(1, 2, 3) },
    { x: tensor('float64', [1, 2], new Float64Array(2)) },
    { x: { ...row(1, 2), dims: [1, 5] } },
  ]
  for (const feeds of wrong) t.is(await rejection(session.run(feeds)), 'INFERENCE_FAILED')
  const gone = row(1, 2)
  if (gone.dtype !== 'string') structuredClone(gone.data.buffer, { transfer: [gone.data.buffer] })
  t.is(await rejection(session.run({ x: gone })), 'INFERENCE_FAILED')
  t.deepEqual(numbersOf(await session.run({ x: row(1, 2) }), 'sum'), [2, 3])
})

test('a threaded session - a file that is no model, or is not there, is refused with a code', async t => {
  const folder = await testFolder(t)
  const bad = await modelFile(t, new TextEncoder().encode('this is no model'))
  t.is(await rejection(ThreadedSession.open({ model: bad })), 'MODEL_INVALID')
  const cut = await modelFile(t, adder(1).slice(0, -20))
  t.is(await rejection(ThreadedSession.open({ model: cut })), 'MODEL_INVALID')
  t.is(await rejection(ThreadedSession.open({ model: join(folder, 'absent.onnx') })), 'MODEL_NOT_FOUND')
})

test("a threaded session - does not block the caller's event loop while it runs", async t => {
  const session = await opened(t, { model: await modelFile(t, plodder(20)) })
  let turns = 0
  let turning = true
  const turn = () => {
    turns++
    if (turning) setImmediate(turn)
  }
  setImmediate(turn)
  // Other tests hold the loop up for some runs, but not for all; a run on this thread lets it turn once or twice.
  let most = 0
  for (let run = 0; run < 100 && most <= 20; run++) {
    const before = turns
    t.deepEqual(numbersOf(await session.run({ x: row(1, 2) }), 'y'), [1, 2])
    most = Math.max(most, turns - before)
  }
  turning = false
  t.true(most > 20, `${most} turns`)
})

test('a threaded session - closing lets runs end, and what comes after is refused', async t => {
  const session = await opened(t, { model: await modelFile(t, plodder(5)) })
  const runs = [session.run({ x: row(1, 2) }), session.run({ x: row(3, 4) })]
  const closing = session.close()
  t.is(await rejection(session.run({ x: row(5, 6) })), 'STOPPED')
  await closing
  t.deepEqual(
    (await Promise.all(runs)).map(outputs => numbersOf(outputs, 'y')),
    [
      [1, 2],
      [3, 4],
    ],
  )
  t.is(await rejection(session.run({ x: row(7, 8) })), 'STOPPED')
  await session.close()
})

test('a threaded session - a frame comes out as the envelope for the next stage, with its timing', async t => {
  const handover = { carries: ['kept'], sends: ['sum', 'kept'] }
  const session = await opened(t, { model: await modelFile(t, adder(1)), handover })
  const message = encodeEnvelope({
    header: HEADER,
    tensors: { x: row(1, 2), kept: row(7), other: row(8) },
  })
  const bytesIn = message.byteLength
  const result = await session.process(message, HEADER, wallClock())
  t.is(message.byteLength, 0)
  t.false(result.failed)
  const { header, tensors } = decodeEnvelope(result.message)
  t.deepEqual(Object.keys(tensors), ['sum', 'kept'])
  t.deepEqual([numbersOf(tensors, 'sum'), numbersOf(tensors, 'kept')], [[2, 3], [7]])
  const [timing, ...more] = header.timings
  t.deepEqual(more, [])
  t.deepEqual({ ...header, timings: [] }, { ...HEADER, stage: 1 })
  t.like(timing, { stage: 0, bytesIn, runMs: result.runMs })
  for (const ms of [timing?.queueMs, timing?.codecMs, timing?.runMs]) t.true(ms !== undefined && ms >= 0)
})

test('a threaded session - frames that leave are in the memory of frames that came, each with its own', async t => {
  const handover = { carries: ['kept'], sends: ['sum', 'kept'] }
  const session = await opened(t, { model: await modelFile(t, adder(1)), handover })
  const content = new Float32Array(50_000)
  const frames = Array.from({ length: 8 }, (_, i) => {
    const kept = tensor(
      'float32',
      [content.length],
      content.map((_, at) => at + i),
    )
    return encodeEnvelope({ header: HEADER, tensors: { x: row(i, -i), kept } }, {})
  })
  // The header that leaves is longer than the one that came: the first may not fit.
  const roomy = frames.map(frame => {
    const room = new Uint8Array(frame.byteLength + 1_024)
    room.set(frame)
    return room.subarray(0, frame.byteLength)
  })
  const results = await Promise.all(roomy.map(frame => session.process(frame, HEADER, wallClock())))
  for (const [i, { message, failed }] of results.entries()) {
    t.false(failed)
    const { tensors } = decodeEnvelope(message)
    t.deepEqual(numbersOf(tensors, 'sum'), [i + 1, 1 - i])
    t.is(numbersOf(tensors, 'kept')[49_999], 49_999 + i)
    t.is(message.buffer.byteLength > message.byteLength, i > 0)
  }
})

for (const [dtype, { array }] of Object.entries(DTYPES)) {
  if (!isNumericDType(dtype)) continue
  test(`a threaded session - frames of ${dtype} leave as they came`, async t => {
    const type = OTHER_NAMES[dtype] ?? (dtype.toUpperCase() as ElementType)
    const model = onnxBytes({
      inputs: [value('x', type, [4])],
      outputs: [value('y', type, [4])],
      nodes: [node('Identity', ['x'], ['y'])],
    })
    const handover = { carries: [], sends: ['y'] }
    const session = await opened(t, { model: await modelFile(t, model), handover })
    for (const bytes of [0, 1]) {
      const data = new array(new Uint8Array(4 * array.BYTES_PER_ELEMENT).fill(bytes).buffer)
      const frame = encodeEnvelope({ header: HEADER, tensors: { x: tensor(dtype, [4], data) } })
      const { message } = await session.process(frame, HEADER, wallClock())
      t.deepEqual(decodeEnvelope(message).tensors['y'], { dtype, dims: [4], data })
    }
  })
}

test('a threaded session - a model that is wrong about the size of what it gives runs', async t => {
  const model = new ModelBuilder('wrong')
  model.output(model.node('Neg', [model.input('x', [1, 'n'])], {}, 'y'), [1, 2])
  const handover = { carries: [], sends: ['y'] }
  const session = await opened(t, { model: await modelFile(t, model.build()), handover })
  for (const x of [row(1, 2), row(1, 2, 3), row(4, 5)]) {
    const frame = encodeEnvelope({ header: HEADER, tensors: { x } })
    const { message } = await session.process(frame, HEADER, wallClock())
    t.deepEqual(
      numbersOf(decodeEnvelope(message).tensors, 'y'),
      numbersOf({ x }, 'x').map(value => -value),
    )
  }
})

test('a threaded session - a frame that fails comes out as its own error', async t => {
  const handover = { carries: ['kept'], sends: ['sum', 'kept'] }
  const session = await opened(t, { model: await modelFile(t, adder(1)), handover })
  const broken = encodeEnvelope({ header: HEADER, tensors: { x: row(1, 2), kept: row(7) } })
  broken[broken.length - 1] = 1
  const frames = [
    ['INFERENCE_FAILED', encodeEnvelope({ header: HEADER, tensors: { x: row(1, 2, 3), kept: row(7) } })],
    ['FRAME_INPUT_UNKNOWN', encodeEnvelope({ header: HEADER, tensors: { kept: row(7) } })],
    ['FRAME_INPUT_UNKNOWN', encodeEnvelope({ header: HEADER, tensors: { x: row(1, 2) } })],
    ['ENVELOPE_CORRUPT', broken],
  ] as const
  for (const [code, frame] of frames) {
    const result = await session.process(frame, HEADER, wallClock())
    t.true(result.failed)
    const { header, tensors } = decodeEnvelope(result.message)
    t.is(header.error?.code, code)
    t.deepEqual({ ...header, error: undefined }, { ...HEADER, error: undefined })
    t.deepEqual(tensors, {})
  }
})
