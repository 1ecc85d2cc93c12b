import { readFileSync } from 'node:fs'
import anyTest, { type TestFn } from 'ava'
import { concat, firstValueFrom, from, NEVER, of, Subject, take, toArray } from 'rxjs'
import { type Prediction } from '../../../actors/dispatcher/index.js'
import { openSession } from '../../../actors/session/index.js'
import { type Cluster, embedded, type Pipeline } from '../../../config/index.js'
import { relativeError } from '../../../core/compare.js'
import { type LedgerEntry } from '../../../core/ledger.js'
import { syntheticFrame } from '../../../core/synthetic/index.js'
import { tensor, type Tensors } from '../../../core/tensor.js'
import { rejection, row } from '../../support/actors.js'
import { inCheckout } from '../../support/index.js'
import { floats, node, onnxBytes, value } from '../../support/onnx-builder.js'

const MODEL = inCheckout('examples/digits/digits.onnx')
const WINDOW = 6
const test = anyTest as TestFn<{ cluster: Cluster; pipeline: Pipeline }>

function frames(count: number, seed = 1): Tensors[] {
  const image = { name: 'image', dtype: 'float32', dims: [1, 1, 8, 8] } as const
  return Array.from({ length: count }, (_, i) => syntheticFrame([image], seed, i))
}

async function answers(inputs: readonly Tensors[]): Promise<Tensors[]> {
  const session = await openSession(readFileSync(MODEL))
  const outputs: Tensors[] = []
  for (const feeds of inputs) outputs.push(await session.run(feeds))
  await session.release()
  return outputs
}

function worstError(predictions: readonly Prediction[], expected: readonly Tensors[]): number {
  return Math.max(...predictions.map(({ outputs }, i) => relativeError(outputs, expected[i] ?? {})))
}

test.before(async t => {
  const cluster = await embedded({ workers: 3 })
  t.context = { cluster, pipeline: await cluster.deploy(MODEL, { partitions: 3, window: WINDOW }) }
})

test.after.always(t => t.context.cluster.close())

test.serial(
  'a pipeline - gives what the uncut model gives, in order, and accounts for every frame',
  async t => {
    const { pipeline } = t.context
    const plan = await firstValueFrom(pipeline.plan$)
    t.deepEqual(
      plan.stages.map(({ worker }) => worker),
      ['w1', 'w2', 'w3'],
    )
    const inputs = frames(40)
    const admitted: number[] = []
    const entries: LedgerEntry[] = []
    const seen = [
      pipeline.frames$.subscribe(({ sequence }) => admitted.push(sequence)),
      pipeline.ledger$.subscribe(entry => entries.push(entry)),
    ]
    const predictions = await firstValueFrom(from(inputs).pipe(pipeline.infer({ stream: 'cold' }), toArray()))
    for (const subscription of seen) subscription.unsubscribe()
    const all = inputs.map((_, i) => i)
    t.deepEqual(
      predictions.map(({ sequence }) => sequence),
      all,
    )
    t.deepEqual(admitted, all)
    t.deepEqual(
      entries.map(({ sequence, end }) => [sequence, end]),
      all.map(i => [i, 'predicted']),
    )
    const error = worstError(predictions, await answers(inputs))
    t.true(error < 1e-4, String(error))
    for (const { timings, bytes, ageMs } of predictions) {
      t.deepEqual(
        timings.map(({ stage }) => stage),
        [0, 1, 2],
      )
      t.true(bytes > timings.reduce((sum, { bytesIn }) => sum + bytesIn, 0))
      t.true(ageMs >= 0)
    }
    t.like(pipeline.counts(), { duplicates: 0, open: 0, dropped: 0, failed: 0 })
  },
)

test.serial('a pipeline - holds a source back that is pulled, to a window ahead of the answers', async t => {
  const { pipeline } = t.context
  let [pulled, answered, ahead] = [0, 0, 0]
  function* source() {
    for (const frame of frames(30)) {
      pulled++
      ahead = Math.max(ahead, pulled - answered)
      yield frame
    }
  }
  const counting = pipeline.predictions$.subscribe(() => answered++)
  await firstValueFrom(pipeline.pull(source()).pipe(pipeline.infer(), toArray()))
  counting.unsubscribe()
  t.is(pulled, 30)
  t.true(ahead > 1 && ahead <= WINDOW, String(ahead))
})

test.serial('a pipeline - serves several hot sources at once, each in its own order', async t => {
  const { pipeline } = t.context
  const cameras = ['left', 'right'].map((stream, i) => {
    const source = new Subject<Tensors>()
    return {
      source,
      inputs: frames(10, i + 2),
      result: firstValueFrom(source.pipe(pipeline.infer({ stream }), toArray())),
    }
  })
  for (let i = 0; i < 10; i++) for (const { source, inputs } of cameras) source.next(inputs[i] ?? {})
  for (const { source } of cameras) source.complete()
  for (const { inputs, result } of cameras) {
    const predictions = await result
    t.deepEqual(
      predictions.map(({ sequence }) => sequence),
      inputs.map((_, i) => i),
    )
    t.true(worstError(predictions, await answers(inputs)) < 1e-4)
  }
})

test.serial('a pipeline - frames that it does not take fail alone, with a code', async t => {
  const { pipeline } = t.context
  const failed: string[] = []
  const seen = pipeline.ledger$.subscribe(entry => entry.end === 'failed' && failed.push(entry.error.code))
  const [good = {}] = frames(1)
  const bad = [
    { picture: row(1) },
    { image: row(1, 2) },
    { image: tensor('uint8', [1, 1, 8, 8], new Uint8Array(64)) },
  ]
  const predictions = await firstValueFrom(from([good, ...bad, good]).pipe(pipeline.infer(), toArray()))
  seen.unsubscribe()
  t.deepEqual(
    predictions.map(({ sequence }) => sequence),
    [0, 4],
  )
  t.deepEqual(failed, ['FRAME_INPUT_UNKNOWN', 'FRAME_SHAPE', 'FRAME_DTYPE'])
})

/** Looks a row up in a table of four: an index beyond it fails in the model, not before. */
function tableModel(): Uint8Array {
  return onnxBytes({
    inputs: [value('index', 'INT64', [1])],
    outputs: [value('values', 'FLOAT', [1, 2])],
    initializers: [floats('rows', [4, 2], [0, 1, 2, 3, 4, 5, 6, 7])],
    nodes: [node('Gather', ['rows', 'index'], ['found']), node('Relu', ['found'], ['values'])],
  })
}

test.serial('a pipeline - a frame that the model fails on fails alone', async t => {
  const pipeline = await t.context.cluster.deploy(tableModel(), { name: 'table' })
  const [good, beyond] = [2n, 9n].map(index => ({ index: tensor('int64', [1], BigInt64Array.of(index)) }))
  const failed: string[] = []
  const seen = pipeline.ledger$.subscribe(
    entry => entry.end === 'failed' && failed.push(`${entry.sequence} ${entry.error.code}`),
  )
  const predictions = await firstValueFrom(
    from([good ?? {}, beyond ?? {}, good ?? {}]).pipe(pipeline.infer(), toArray()),
  )
  seen.unsubscribe()
  t.deepEqual(
    predictions.map(({ sequence }) => sequence),
    [0, 2],
  )
  t.deepEqual(failed, ['1 INFERENCE_FAILED'])
})

test.serial('a pipeline - taking as many predictions as one wants ends the stream', async t => {
  const { pipeline } = t.context
  const before = pipeline.counts()
  const reasons: string[] = []
  const seen = pipeline.ledger$.subscribe(entry => entry.end === 'dropped' && reasons.push(entry.reason))
  const source = concat(from(frames(20)), NEVER)
  const predictions = await firstValueFrom(source.pipe(pipeline.infer(), take(3), toArray()))
  seen.unsubscribe()
  t.is(predictions.length, 3)
  t.is(reasons.length, 17)
  t.deepEqual([...new Set(reasons)], ['unsubscribed'])
  t.is(pipeline.counts().dropped - before.dropped, 17)
  t.is(pipeline.counts().open, 0)
})

test.serial('a pipeline - a second connection to it has its own frames', async t => {
  const { cluster, pipeline } = t.context
  const other = await cluster.pipeline('digits')
  const before = pipeline.counts()
  const [prediction] = await firstValueFrom(of(...frames(1)).pipe(other.infer(), toArray()))
  t.truthy(prediction)
  t.is(pipeline.counts().admitted, before.admitted)
  t.like(other.counts(), { admitted: 1, predicted: 1 })
  await other.close()
  t.is(await rejection(firstValueFrom(from(frames(1)).pipe(other.infer()))), 'STOPPED')
  await firstValueFrom(from(frames(1)).pipe(pipeline.infer()))
})

test.serial(
  'a pipeline - a new deployment under its name takes over while frames flow, and none is lost',
  async t => {
    const { cluster, pipeline } = t.context
    const inputs = frames(60)
    const switched = new Subject<void>()
    async function* source() {
      yield* inputs.slice(0, 20)
      const deployed = cluster.deploy(MODEL, { partitions: 2 })
      yield* inputs.slice(20, 40)
      await deployed
      switched.next()
      yield* inputs.slice(40)
    }
    const predictions = await firstValueFrom(
      pipeline.pull(source()).pipe(pipeline.infer({ stream: 'on' }), toArray()),
    )
    t.deepEqual(
      predictions.map(({ sequence }) => sequence),
      inputs.map((_, i) => i),
    )
    t.true(worstError(predictions, await answers(inputs)) < 1e-4)
    const [before = 0, after = 0, ...others] = new Set(predictions.map(({ epoch }) => epoch))
    t.deepEqual([after > before, others], [true, []])
  },
)
