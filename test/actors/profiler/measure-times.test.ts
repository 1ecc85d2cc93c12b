import test, { type ExecutionContext } from 'ava'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { measureTimes, type Times } from '../../../actors/profiler/measure-times.js'
import { inRounds } from '../../../actors/profiler/rounds.js'
import { ModelBuilder } from '../../../core/synthetic/index.js'
import { modelFile, rejection, testFolder } from '../../support/actors.js'
import { inCheckout, sharedModel } from '../../support/index.js'

const MACHINE = { cpu: 'c', cores: 1, node: 'v20', onnxruntime: '1' }

async function timesOf(t: ExecutionContext, model: Uint8Array): Promise<Times> {
  const order = {
    model: await modelFile(t, model),
    folder: await testFolder(t),
    machine: MACHINE,
    budgetMs: 1,
  }
  return measureTimes(order)
}

/** Three products of matrices with sums that nothing is fused with; the middle one is hundreds of times the work. */
function unequal(): Uint8Array {
  const model = new ModelBuilder('unequal')
  const weight = (name: string, rows: number, columns: number) =>
    model.weight(name, [rows, columns], () => new Float32Array(rows * columns).fill(0.01))
  let x = model.input('x', [16, 16])
  x = model.node('ReduceMax', [model.node('MatMul', [x, weight('a', 16, 1_024)])], { axes: [0], keepdims: 1 })
  x = model.node('Softplus', [model.node('MatMul', [x, weight('b', 1_024, 2_048)])])
  x = model.node('Softsign', [model.node('MatMul', [x, weight('c', 2_048, 4)])])
  model.output(x, [1, 4])
  return model.build()
}

test('times - blocks make up the whole, and the one with most work has most of it', async t => {
  const { blocks, wholeMs, nodes, crossings, runs } = await timesOf(t, unequal())
  t.true(Math.abs(blocks.reduce((sum, { computeMs }) => sum + computeMs, 0) - wholeMs) < 1e-9)
  const heaviest = blocks.reduce((one, other) => (other.computeMs > one.computeMs ? other : one))
  t.true(heaviest.weightBytes >= 1_024 * 2_048 * 4)
  t.deepEqual(
    nodes.map(({ operator }) => operator),
    ['MatMul', 'ReduceMax', 'MatMul', 'Softplus', 'MatMul', 'Softsign'],
  )
  t.is(crossings.length, blocks.length + 1)
  t.true((crossings[0]?.bytes ?? 0) > 16 * 16 * 4 && (crossings.at(-1)?.bytes ?? 0) > 16)
  t.true(runs >= 5)
})

test('times - activations are what lives at once, with what a block takes and gives', async t => {
  const { blocks } = await timesOf(t, unequal())
  // 16 rows of 1,024 between the first product and its maximum, which is one row.
  const most = blocks.reduce((bytes, { activationBytes }) => Math.max(bytes, activationBytes), 0)
  t.is(most, (16 * 1_024 + 1_024) * 4)
  t.is(blocks.at(-1)?.activationBytes, (4 + 4) * 4)
})

test('times - of a network with fused convolutions, all of it is found in the graph', async t => {
  const { nodes, unmappedMs, wholeMs, blocks } = await timesOf(
    t,
    readFileSync(inCheckout('examples/digits/digits.onnx')),
  )
  t.true(unmappedMs <= 0.1 * wholeMs)
  // A fused convolution counts for what gives its result, and every block has at least one operator that takes time.
  for (const { from, to } of blocks) t.true(nodes.slice(from, to).some(({ ms }) => ms > 0))
})

test('times - of a published network, with several tensors at most cuts', async t => {
  const model = sharedModel('light_inception_v1.onnx')
  if (model === undefined) return void t.pass('the shared models are not here')
  const { blocks, crossings, unmappedMs, wholeMs } = await timesOf(t, model)
  t.true(blocks.length > 50)
  t.true(crossings.some(({ tensors }) => tensors >= 4))
  t.true(unmappedMs <= 0.1 * wholeMs)
  t.true(crossings.slice(1, -1).every(({ cutMsBefore, cutMsAfter }) => cutMsBefore + cutMsAfter > 0))
})

test('times - of a model that must not be held in one piece are those of its blocks alone', async t => {
  const folder = await testFolder(t)
  const order = { model: await modelFile(t, unequal()), folder, machine: MACHINE, budgetMs: 1 }
  const { blocks, wholeMs, crossings, nodes, model } = await measureTimes({
    ...order,
    apart: true,
    name: 'big',
  })
  t.is(model.name, 'big')
  t.deepEqual(nodes, [])
  t.true(Math.abs(blocks.reduce((sum, { computeMs }) => sum + computeMs, 0) - wholeMs) < 1e-9)
  t.true(blocks.every(({ computeMs }) => computeMs > 0))
  t.true(crossings.every(({ cutMsBefore, cutMsAfter }) => cutMsBefore + cutMsAfter < 1e-9))
  t.deepEqual(readdirSync(dirname(order.model)), [basename(order.model)])
})

test('times - blocks are finer where more partitions are asked for than cuts that break no fusion make', async t => {
  const model = await modelFile(t, readFileSync(inCheckout('examples/digits/digits.onnx')))
  const measured = async (partitions?: number) => {
    const order = { model, folder: await testFolder(t), machine: MACHINE, budgetMs: 1 }
    return (await measureTimes(partitions === undefined ? order : { ...order, partitions })).blocks.length
  }
  const usual = await measured()
  t.is(await measured(usual), usual)
  t.true((await measured(usual + 1)) > usual)
})

test('times - a file that is no model is refused', async t => {
  t.is(await rejection(timesOf(t, new TextEncoder().encode('no model'))), 'MODEL_INVALID')
})

test('rounds - each work runs once before any runs again, and a checkpoint can stop them', async t => {
  const order: string[] = []
  const work = (name: string) => async () => void order.push(name)
  const limits = { budgetMs: 0, fewest: 3, most: 5 }
  const samples = await inRounds([work('a'), work('b')], limits, async () => {})
  t.deepEqual(order, ['a', 'b', 'a', 'b', 'a', 'b'])
  t.deepEqual(
    samples.map(({ length }) => length),
    [3, 3],
  )
  const stop = () => Promise.reject(new Error('stopped'))
  await t.throwsAsync(inRounds([work('c')], limits, stop), { message: 'stopped' })
  t.false(order.includes('c'))
})
