import test from 'ava'
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs'
import { embedded } from '../../config/index.js'
import { tensor, type Tensors } from '../../core/tensor.js'
import { rejection } from '../support/actors.js'
import { floats, node, onnxBytes, value } from '../support/onnx-builder.js'

const DIMS = [1, 4]

/** Gives back what it is given, over two cuts. */
function through(opset: number, factor = 1): Uint8Array {
  return onnxBytes({
    inputs: [value('x', 'FLOAT', DIMS)],
    outputs: [value('y', 'FLOAT', DIMS)],
    nodes: [
      node('Mul', ['x', 'factor'], ['a']),
      node('Mul', ['a', 'one'], ['b']),
      node('Add', ['a', 'b'], ['y']),
    ],
    initializers: [floats('one', [1], [1]), floats('factor', [1], [factor])],
    opsets: { '': opset },
  })
}

function frame(...numbers: number[]): Tensors {
  return { x: tensor('float32', DIMS, Float32Array.from(numbers)) }
}

for (const opset of [9, 17]) {
  test(`deploy with wire u8 - opset ${opset}: a frame that cannot be carried fails alone, and the plan says what is lost`, async t => {
    const cluster = await embedded({ workers: 3 })
    t.teardown(() => cluster.close())
    const pipeline = await cluster.deploy(through(opset), { name: 'p', partitions: 3, wire: 'u8' })
    const plan = await firstValueFrom(pipeline.plan$)
    t.is(plan.wire, 'u8')
    t.deepEqual(
      plan.stages.map(({ wire }) => wire),
      ['u8', 'u8', 'f32'],
    )
    t.true(plan.sampleError > 0 && plan.sampleError < 0.01)
    const ends: string[] = []
    pipeline.ledger$.subscribe(entry =>
      ends.push(entry.end === 'failed' ? `${entry.error.code} ${entry.error.message}` : entry.end),
    )
    const frames = [frame(0, 1, 2, 255), frame(0, NaN, 2, 3), frame(0, 1, Infinity, 3), frame(0, 5, 10, 255)]
    const given = await lastValueFrom(pipeline.pull(frames).pipe(pipeline.infer(), toArray()))
    t.deepEqual(
      given.map(({ outputs }) => [...(outputs['y']?.data ?? [])]),
      [
        [0, 2, 4, 510],
        [0, 10, 20, 510],
      ],
    )
    t.is(ends.filter(end => end === 'predicted').length, 2)
    t.is(ends.filter(end => /^WIRE_OVERFLOW .*'a'.*NaN or Inf/.test(end)).length, 2)
  })
}

test('deploy with wire u8c - each stage sends as many scales as its tensor has channels, and what has none as u8', async t => {
  const cluster = await embedded({ workers: 3 })
  t.teardown(() => cluster.close())
  const images = [1, 2, 2, 1]
  const model = onnxBytes({
    inputs: [value('x', 'FLOAT', images)],
    outputs: [value('y', 'FLOAT', [1, 4])],
    nodes: [
      node('Mul', ['x', 'ranges'], ['a']),
      node('Flatten', ['a'], ['b']),
      node('Mul', ['b', 'undone'], ['y']),
    ],
    initializers: [floats('ranges', [1, 2, 1, 1], [1, 1_000]), floats('undone', [1, 4], [1, 1, 1, 1])],
  })
  const pipeline = await cluster.deploy(model, { name: 'p', partitions: 3, wire: 'u8c' })
  const plan = await firstValueFrom(pipeline.plan$)
  t.is(plan.wire, 'u8c')
  t.deepEqual(
    plan.stages.map(({ wire }) => wire),
    ['u8c', 'u8', 'f32'],
  )
  const [first, second] = [
    { x: tensor('float32', images, Float32Array.of(1, NaN, 2, 3)) },
    { x: tensor('float32', images, Float32Array.of(127.5, 255, 0, 0)) },
  ]
  const given = await lastValueFrom(pipeline.pull([first, second]).pipe(pipeline.infer(), toArray()))
  t.deepEqual(
    given.map(({ outputs }) => [...(outputs['y']?.data ?? [])]),
    [[128, 255, 0, 0]],
  )
})

test('deploy with wire auto - is within the error that is asked for, and the plan says what each stage sends on', async t => {
  const cluster = await embedded({ workers: 3 })
  t.teardown(() => cluster.close())
  const deployed = async (wireError: number) => {
    const about = { name: 'p', partitions: 3, wire: 'auto', wireError } as const
    const pipeline = await cluster.deploy(through(17), about)
    return firstValueFrom(pipeline.plan$)
  }
  const plan = await deployed(0.01)
  t.is(plan.wire, 'auto')
  t.is(plan.asked?.wireError, 0.01)
  t.true(plan.sampleError <= 0.01)
  // Nothing is worth converting four numbers.
  t.true(plan.stages.every(({ wire = 'f32' }) => wire === 'f32'))
  t.is((await deployed(0)).asked?.wireError, 0)
})

test('deploy - from one wire to another and back moves the stream to other parts, without a loss', async t => {
  const cluster = await embedded({ workers: 2 })
  t.teardown(() => cluster.close())
  const model = through(17)
  const pipeline = await cluster.deploy(model, { name: 'p', partitions: 3 })
  t.is((await firstValueFrom(pipeline.plan$)).wire, undefined)
  const answers: number[][] = []
  pipeline.predictions$.subscribe(({ outputs }) => answers.push([...(outputs['y']?.data ?? [])].map(Number)))
  for (const wire of ['f32', 'u8', 'f16', 'u8c', 'f32'] as const) {
    await cluster.deploy(model, { name: 'p', partitions: 3, wire })
    await lastValueFrom(pipeline.pull([frame(0, 100.3, 70_000 / 1_000, 255)]).pipe(pipeline.infer()))
  }
  t.deepEqual(
    answers.map(([, one = NaN]) => Number(one.toFixed(2))),
    [200.6, 200, 200.63, 200, 200.6],
  )
})

test('deploy with wire f16 - is refused where the sample frame is too large for it, with the way out', async t => {
  const cluster = await embedded({ workers: 2 })
  t.teardown(() => cluster.close())
  const model = through(17, 1e9)
  const deployed = cluster.deploy(model, { name: 'p', partitions: 2, wire: 'f16' })
  t.is(await rejection(deployed), 'WIRE_OVERFLOW')
})
