import test from 'ava'
import fc from 'fast-check'
import { Packr, unpack } from 'msgpackr'
import sharp from 'sharp'
import { IMAGE_DEFAULTS, type ImageSettings } from '../../../core/sensing/index.js'
import { tensor, type Tensors } from '../../../core/tensor.js'
import { TOPICS } from '../../support/actors.js'
import { planOf, WINDOW } from '../../support/dispatching.js'
import { type Line, planWith, SensorBench } from '../../support/sensors.js'
import { until } from '../../support/actors.js'

const pack = (value: unknown) => new Uint8Array(new Packr({ useRecords: false }).pack(value))
const bytesOf = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer)
/** Stream, sequence number and end of a frame. */
const endOf = ({ stream, sequence, error, dropped }: Line) =>
  `${stream}/${sequence ?? '-'} ${dropped ?? error?.code ?? 'predicted'}`

const ROWS: readonly (readonly [string, Uint8Array | string | object])[] = [
  ['raw', bytesOf(1, 2)],
  ['json', [[1, 2]]],
  ['json', { x: { data: Buffer.from(bytesOf(1, 2)).toString('base64'), dims: [1, 2] } }],
  ['msgpack', pack({ x: { dtype: 'float32', dims: [1, 2], data: bytesOf(1, 2) } })],
]

for (const [format, payload] of ROWS) {
  test(`ingress - a frame in ${format} is predicted, and answered in JSON: ${typeof payload === 'object' && Object.keys(payload).slice(0, 1).join()}`, async t => {
    const bench = await SensorBench.open(t, {}, planOf(7))
    await bench.publish(`cam-1/${format}/id:1`, payload)
    const { ageMs, ...line } = await bench.line()
    t.deepEqual(line, {
      topic: `${TOPICS.root}/out/p/cam-1`,
      ...{ frameId: 'id:1', stream: 'cam-1', sequence: 0, epoch: 7, version: '0'.repeat(12) },
      top: [
        { class: 1, score: 2 },
        { class: 0, score: 1 },
      ],
      outputs: { y: { dtype: 'float32', dims: [1, 2], data: [1, 2] } },
    })
    t.true(ageMs >= 0 && ageMs < 60_000)
  })
}

test('ingress - an image is decoded as the plan in force says', async t => {
  const inputs = [{ name: 'x', dtype: 'float32' as const, dims: ['n', 1, 2, 2] }]
  const image: ImageSettings = { ...IMAGE_DEFAULTS, scale: 1, mean: [10], std: [2] }
  const bench = await SensorBench.open(t, {}, planWith({ image }, { inputs }))
  const pixels = Uint8Array.of(10, 12, 14, 255)
  const png = await sharp(pixels, { raw: { width: 2, height: 2, channels: 1 } })
    .png()
    .toBuffer()
  await bench.publish('cam/image', png)
  t.deepEqual((await bench.line()).outputs?.['y'], {
    dtype: 'float32',
    dims: [1, 1, 2, 2],
    data: [0, 1, 2, 122.5],
  })
  await bench.publishPlan(planWith({ image: { ...image, mean: [0] } }, { inputs }, 2))
  await bench.predictedIn(2, [0, 0, 0, 0])
  await bench.publish('cam/image', png)
  t.deepEqual(
    (await bench.line(line => line.stream === 'cam' && line.sequence === 1)).outputs?.['y']?.data,
    [5, 6, 7, 127.5],
  )
})

test('ingress - what is no frame is answered with an error, stands in the ledger, and harms no other', async t => {
  const bench = await SensorBench.open(t, { maxFrameBytes: 100 }, planOf(1))
  await bench.publish('cam/json', 'garbage')
  await bench.publish('cam/raw', new Uint8Array(101))
  await bench.publish('cam/json', [1, 2, 3])
  await bench.publish('cam/image', 'garbage')
  await bench.publish('cam/raw', bytesOf(1, 2))
  const lines = await bench.lines(5)
  t.deepEqual(lines.map(endOf).sort(), [
    'cam/0 FRAME_MALFORMED',
    'cam/1 MESSAGE_TOO_LARGE',
    'cam/2 FRAME_SHAPE',
    'cam/3 FRAME_MALFORMED',
    'cam/4 predicted',
  ])
  t.regex(lines.find(({ sequence }) => sequence === 1)?.error?.message ?? '', /101 bytes, the limit is 100/)
  const expected = { admitted: 5, predicted: 1, failed: 4, dropped: 0, duplicates: 0, open: 0 }
  t.deepEqual(bench.ingress.counts().pipelines['p'], expected)
})

test('ingress - a frame that comes again under its id is not taken again, in its stream', async t => {
  const bench = await SensorBench.open(t, {}, planOf(1))
  bench.answering = false
  await bench.publish('a/json/7', [1, 2])
  await bench.reached(1)
  await bench.publish('a/json/7', [1, 2])
  await bench.publish('b/json/7', [5, 6])
  await bench.reached(2)
  bench.answering = true
  await bench.answer(0)
  await bench.answer(1)
  await bench.publish('a/json/7', [1, 2])
  await bench.publish('a/json/8', [3, 4])
  await bench.publish('a/json', [3, 4])
  await bench.publish('a/json', [3, 4])
  const lines = await bench.lines(5)
  t.deepEqual(
    lines.map(line => `${line.frameId} ${endOf(line)}`),
    [
      '7 a/0 predicted',
      '7 b/0 predicted',
      '8 a/1 predicted',
      'undefined a/2 predicted',
      'undefined a/3 predicted',
    ],
  )
  t.is(bench.ingress.counts().duplicates, 2)
})

test('ingress - a frame that failed may come again under its id', async t => {
  const bench = await SensorBench.open(t, {}, planOf(1))
  await bench.publish('a/json/7', 'garbage')
  await bench.line()
  await bench.publish('a/json/7', [1, 2])
  t.deepEqual((await bench.lines(2)).map(endOf), ['a/0 FRAME_MALFORMED', 'a/1 predicted'])
})

test('ingress - ids are forgotten beyond the window', async t => {
  const bench = await SensorBench.open(t, { dedupeFrames: 2 }, planOf(1))
  for (const id of ['1', '2', '3', '2', '1']) await bench.publish(`a/json/${id}`, [1, 2])
  t.deepEqual(
    (await bench.lines(4)).map(({ frameId }) => frameId),
    ['1', '2', '3', '1'],
  )
})

test('ingress - predictions of a stream come in the order of arrival, also when a later frame is decoded first', async t => {
  const inputs = [{ name: 'x', dtype: 'float32' as const, dims: [1, 1, 2, 2] }]
  const bench = await SensorBench.open(t, {}, planWith({}, { inputs }))
  const large = await sharp({ create: { width: 3_000, height: 3_000, channels: 3, background: 'red' } })
    .png()
    .toBuffer()
  await bench.publish('a/image', large)
  await bench.publish('a/json', [1, 2, 3, 4])
  await bench.publish('b/json', [5, 6, 7, 8])
  t.deepEqual((await bench.lines(3)).map(endOf), ['b/0 predicted', 'a/0 predicted', 'a/1 predicted'])
  t.deepEqual(
    bench.sent.map(({ header }) => `${header.stream}/${header.sequence}`),
    ['a/1', 'b/0', 'a/0'],
  )
})

test('ingress - each stream has its own order and numbers, and with order completion none waits', async t => {
  const bench = await SensorBench.open(t, {}, planWith({ order: 'completion' }))
  bench.answering = false
  for (const value of [1, 2]) await bench.publish('a/json', [value, value])
  await bench.publish('b/json', [3, 3])
  await bench.reached(3)
  for (const index of [1, 2, 0]) await bench.answer(index)
  t.deepEqual((await bench.lines(3)).map(endOf), ['a/1 predicted', 'b/0 predicted', 'a/0 predicted'])
})

test('ingress - a sensor that is too fast loses what finds its queue full, is told, and goes on', async t => {
  const bench = await SensorBench.open(t, {}, planWith({ queueFrames: 2 }))
  bench.answering = false
  for (let i = 0; i < WINDOW + 3; i++) await bench.publish('a/json', [i, i])
  const dropped = await bench.line()
  t.is(endOf(dropped), `a/${WINDOW + 2} overrun`)
  t.is(dropped.error?.code, 'SOURCE_OVERRUN')
  bench.answering = true
  for (let i = 0; i < WINDOW; i++) await bench.answer(i)
  await bench.lines(WINDOW + 3)
  await bench.publish('a/json', [9, 9])
  t.is(endOf((await bench.lines(WINDOW + 4)).at(-1) ?? dropped), `a/${WINDOW + 3} predicted`)
})

test('ingress - of the freshest, the oldest that waits is dropped, and the sensor is told that too', async t => {
  const bench = await SensorBench.open(t, {}, planWith({ delivery: 'freshest', queueFrames: 1 }))
  bench.answering = false
  for (let i = 0; i < WINDOW + 3; i++) await bench.publish('a/json/' + i, [i, i])
  const lines = await bench.lines(2)
  t.deepEqual(
    lines.map(line => `${line.frameId} ${endOf(line)} ${line.error?.code}`),
    [`${WINDOW} a/${WINDOW} stale undefined`, `${WINDOW + 1} a/${WINDOW + 1} stale undefined`],
  )
})

test('ingress - what all sensors together may leave waiting is bounded', async t => {
  const bench = await SensorBench.open(t, { maxQueuedBytes: 24 }, planWith({}, { window: 1 }))
  bench.answering = false
  for (const stream of ['a', 'b', 'c', 'd', 'e']) await bench.publish(`${stream}/raw`, bytesOf(1, 2))
  t.is(endOf(await bench.line()), 'e/0 overrun')
  bench.answering = true
  await bench.answer(0)
  await bench.lines(5)
  await bench.publish('e/raw', bytesOf(1, 2))
  t.is(endOf((await bench.lines(6)).at(-1) ?? (await bench.line())), 'e/1 predicted')
})

test('ingress - a pipeline that is not deployed, or a wrong end of a topic, is answered; other topics are ignored', async t => {
  const bench = await SensorBench.open(t, {}, planOf(1))
  await bench.publish('a/json', [1, 2], 'q')
  await bench.publish('a/jpeg', 'x')
  await bench.publish('a/json/b/c', [1, 2])
  for (const where of ['A/json', 'a b/json', 'a']) await bench.publish(where, [1, 2])
  await bench.publish('a/json', [1, 2])
  const lines = await bench.lines(5)
  t.deepEqual(lines.map(line => `${line.topic} ${endOf(line)}`).sort(), [
    `${TOPICS.root}/out/p/a a/- TOPIC_INVALID`,
    `${TOPICS.root}/out/p/a a/- TOPIC_INVALID`,
    `${TOPICS.root}/out/p/a a/- TOPIC_INVALID`,
    `${TOPICS.root}/out/p/a a/0 predicted`,
    `${TOPICS.root}/out/q/a a/- PIPELINE_UNKNOWN`,
  ])
  const { received, ignored, refused } = bench.ingress.counts()
  t.deepEqual({ received, ignored, refused }, { received: 7, ignored: 2, refused: 4 })
})

test('ingress - a frame that comes before the plan waits for it', async t => {
  const bench = await SensorBench.open(t, { unknownWaitMs: 60_000 })
  await bench.publish('a/json', [1, 2])
  await bench.publish('a/json', [3, 4])
  await bench.publish('a/json', [3, 4], 'never')
  await bench.publishPlan(planOf(1))
  t.deepEqual((await bench.lines(2)).map(endOf), ['a/0 predicted', 'a/1 predicted'])
  await bench.ingress.stop()
  t.is(endOf((await bench.lines(3)).at(-1) ?? (await bench.line())), 'a/- PIPELINE_UNKNOWN')
})

test('ingress - a frame that the broker keeps is taken when it comes, and not again by the next ingress', async t => {
  const bench = await SensorBench.open(t, {}, planOf(1))
  const topic = TOPICS.sensor.frame('p', 'a', 'json')
  const keep = (text: string) =>
    bench.bus.publish(topic, new TextEncoder().encode(text), { qos: 1, retain: true })
  await keep('[9, 9]')
  await bench.line()
  await bench.ingress.stop()
  await bench.startIngress()
  await bench.deploy(planOf(1))
  await keep('[1, 2]')
  const [, second] = await bench.lines(2)
  t.deepEqual(second?.outputs?.['y']?.data, [1, 2])
  const { received, ignored } = bench.ingress.counts()
  t.deepEqual([received, ignored], [2, 1])
})

test('ingress - when a pipeline is taken down, frames under way fail, and its name is free', async t => {
  const bench = await SensorBench.open(t, {}, planOf(1))
  bench.answering = false
  await bench.publish('a/json/1', [1, 2])
  await bench.reached(1)
  await bench.undeploy('p')
  t.is(endOf(await bench.line()), 'a/0 STOPPED')
  await bench.publish('a/json/1', [1, 2])
  t.is(endOf((await bench.lines(2)).at(-1) ?? (await bench.line())), 'a/- PIPELINE_UNKNOWN')
  bench.answering = true
  await bench.deploy(planOf(2))
  await bench.publish('a/json/1', [1, 2])
  const last = (await bench.lines(3)).at(-1)
  t.like(last, { frameId: '1', sequence: 0, epoch: 2 })
})

test('ingress - when it stops, frames under way fail, which their sensors are told', async t => {
  const bench = await SensorBench.open(t, {}, planOf(1))
  bench.answering = false
  await bench.publish('a/json', [1, 2])
  await bench.reached(1)
  await bench.ingress.stop()
  t.is(endOf(await bench.line()), 'a/0 STOPPED')
})

test('ingress - a stream takes up the settings of a new plan when none of its frames is under way', async t => {
  const bench = await SensorBench.open(t, {}, planWith({ topK: 1 }))
  await bench.publish('a/json/1', [1, 2])
  t.is((await bench.line()).top?.length, 1)
  await bench.publishPlan(planWith({ topK: 0, queueFrames: 1 }, { window: 1 }, 2))
  await bench.predictedIn(2)
  bench.answering = false
  for (const id of ['2', '3', '1', '4']) await bench.publish(`a/json/${id}`, [1, 2])
  const dropped = await bench.line(line => line.dropped !== undefined)
  t.deepEqual([dropped.frameId, dropped.sequence], ['4', 3])
  await bench.answer(bench.sent.length - 1)
  const { top, frameId } = await bench.line(line => line.stream === 'a' && line.sequence === 1)
  t.deepEqual([top, frameId], [undefined, '2'])
})

test('ingress - beyond the number of streams, those that are idle make room, and their numbers go on', async t => {
  const bench = await SensorBench.open(t, { maxStreams: 2 }, planOf(1))
  for (const stream of ['a', 'b', 'c', 'a']) {
    await bench.publish(`${stream}/json`, [1, 2])
    await bench.lines(1, line => line.stream === stream)
  }
  t.deepEqual((await bench.lines(4)).map(endOf), [
    'a/0 predicted',
    'b/0 predicted',
    'c/0 predicted',
    'a/1 predicted',
  ])
  bench.answering = false
  await bench.publish('a/json', [1, 2])
  await bench.publish('b/json', [1, 2])
  await bench.publish('c/json', [1, 2])
  const refused = await bench.line(line => line.dropped !== undefined)
  t.is(endOf(refused), 'c/- overrun')
  t.regex(refused.error?.message ?? '', /all 2 streams of 'p'/)
})

test('ingress - what is too much for JSON, or always, is published as MessagePack', async t => {
  const outputs: Tensors = {
    big: tensor('float32', [5_000], new Float32Array(5_000).fill(1.5)),
    small: tensor('int64', [1], BigInt64Array.of(3n)),
  }
  const raws: unknown[] = []
  const bench = await SensorBench.open(t, {}, planOf(1))
  bench.raw$.subscribe(payload => raws.push(unpack(payload)))
  bench.answering = false
  await bench.publish('a/json/1', [1, 2])
  await bench.reached(1)
  await bench.answer(0, outputs)
  const { outputs: shown } = await bench.line()
  t.deepEqual(shown?.['small'], { dtype: 'int64', dims: [1], data: [3] })
  t.deepEqual([shown?.['big']?.data, shown?.['big']?.dims], [undefined, [5_000]])
  t.regex(shown?.['big']?.omitted ?? '', /\/raw/)
  await until(bench.raw$)
  t.like(raws[0], { frameId: '1', stream: 'a', sequence: 0, epoch: 1 })
  const { outputs: raw } = raws[0] as { outputs: Record<string, { data: Uint8Array }> }
  t.true(Buffer.from(new Float32Array(5_000).fill(1.5).buffer).equals(raw['big']?.data ?? Buffer.of()))
  t.deepEqual(raw['small'], {
    dtype: 'int64',
    dims: [1],
    data: new Uint8Array(BigInt64Array.of(3n).buffer),
  })
  await bench.publish('a/json', [1, 2])
  await bench.reached(2)
  await bench.answer(1)
  await bench.lines(2)
  t.is(raws.length, 1)
})

test('ingress - raw predictions are published always or never where the pipeline says so', async t => {
  const always = await SensorBench.open(t, {}, planWith({ raw: 'always' }))
  await always.publish('a/json', [1, 2])
  const { outputs } = unpack(await until(always.raw$)) as { outputs: Record<string, object> }
  t.deepEqual(outputs, { y: { dtype: 'float32', dims: [1, 2], data: bytesOf(1, 2) } })
  // It may be fed to a pipeline with an input of this name.
  await always.publish('b/msgpack', pack({ x: outputs['y'] }))
  t.is(endOf(await always.line(line => line.stream === 'b')), 'b/0 predicted')
})

test('ingress - whatever is published, each message that names a stream has one answer, and the next frame is predicted', async t => {
  const bench = await SensorBench.open(t, {}, planWith({ queueFrames: 10_000 }))
  const format = fc.constantFrom('raw', 'json', 'msgpack', 'image', 'jpeg', '')
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 32 }),
    fc.json({ maxDepth: 3 }).map(text => new TextEncoder().encode(text)),
    fc.jsonValue({ maxDepth: 3 }).map(pack),
  )
  const messages = fc.sample(fc.tuple(fc.constantFrom('a', 'b', 'B', ''), format, payload), {
    numRuns: 300,
    seed: 5,
  })
  for (const [stream, kind, bytes] of messages) await bench.publish(`${stream}/${kind}`, bytes)
  await bench.publish('a/json', [1, 2])
  const expected = messages.filter(([stream]) => stream === 'a' || stream === 'b').length + 1
  const lines = await bench.lines(expected)
  t.true(lines.some(line => line.stream === 'a' && line.outputs?.['y']?.data?.join() === '1,2'))
  await bench.publish('last/json', [1, 2])
  t.is((await bench.lines(expected + 1)).at(-1)?.stream, 'last')
  const counts = bench.ingress.counts()
  t.is(counts.received, 302)
  t.is(counts.pipelines['p']?.open, 0)
})
