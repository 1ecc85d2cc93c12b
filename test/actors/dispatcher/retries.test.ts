import test, { type ExecutionContext } from 'ava'
import { Subject } from 'rxjs'
import { type InferOptionsInput } from '../../../actors/dispatcher/index.js'
import { encodeEnvelope } from '../../../core/codec/index.js'
import { type Tensor } from '../../../core/tensor.js'
import { row, settled } from '../../support/actors.js'
import { Desk, planOf, TestTime } from '../../support/dispatching.js'

async function setting(t: ExecutionContext, options: InferOptionsInput = {}, window = 4) {
  const time = new TestTime()
  const desk = await Desk.open(t, planOf(1, { window }), time)
  const source = new Subject<Tensor>()
  source.pipe(desk.dispatcher.infer({ stream: 's', ...options })).subscribe({ error: () => {} })
  let offered = 0
  /** Resolves when the frames have left. */
  const offer = async (count = 1) => {
    for (let i = 0; i < count; i++) source.next(row(offered, offered++))
    await settled()
  }
  /** What left is seen to have left between. */
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 100) {
      time.pass(Math.min(left, 100))
      await settled()
    }
  }
  const copiesOf = (sequence: number) => desk.sequences.filter(sent => sent === sequence).length
  return { desk, offer, pass, copiesOf }
}

test('a frame without a result - is sent again, less and less often, and so often at most', async t => {
  const { desk, offer, pass, copiesOf } = await setting(t)
  await offer()
  for (const [ms, copies] of [
    [1_400, 1],
    [200, 2],
    [2_800, 2],
    [300, 3],
    [5_700, 3],
    [400, 4],
    [60_000, 4],
  ] as const) {
    await pass(ms)
    t.is(copiesOf(0), copies)
  }
  desk.answer(0)
  desk.answer(0)
  t.deepEqual(desk.ends, ['s/0 predicted'])
  t.is(desk.predictions.length, 1)
  t.is(desk.dispatcher.counts().duplicates, 1)
})

test('a frame without a result - is not sent again where that is not wanted', async t => {
  const { desk, offer, pass } = await setting(t, { retries: 0 })
  await offer()
  await pass(20_000)
  t.deepEqual(desk.sequences, [0])
})

test('a frame without a result - is waited for four times as long as frames take', async t => {
  const { desk, offer, pass, copiesOf } = await setting(t)
  for (let i = 0; i < 3; i++) {
    await offer()
    await pass(1_000)
    desk.answer(i)
  }
  await offer()
  await pass(3_700)
  t.is(copiesOf(3), 1)
  await pass(600)
  t.is(copiesOf(3), 2)
})

test('a frame without a result - is sent again by itself when others have overtaken it', async t => {
  const { desk, offer, pass } = await setting(t)
  await offer(2)
  await pass(1_000)
  await offer(2)
  for (const sequence of [2, 3]) desk.answer(sequence)
  t.deepEqual(desk.predictions, [])
  await pass(400)
  t.is(desk.sent.length, 4)
  await pass(200)
  t.deepEqual(desk.sequences.slice(4), [0, 1])
  for (const sequence of [0, 1]) desk.answer(sequence)
  t.deepEqual(
    desk.predictions.map(({ sequence }) => sequence),
    [0, 1, 2, 3],
  )
})

test('a pipeline from which nothing comes - is not sent everything again, but now and then one frame', async t => {
  const { desk, offer, pass } = await setting(t, {}, 10)
  await offer(10)
  await pass(25_000)
  t.is(desk.sent.length, 10 + 4)
  // It wakes.
  for (let sequence = 0; sequence < 10; sequence++) desk.answer(sequence)
  t.is(desk.predictions.length, 10)
})

test('a pipeline that lost a window of frames - has all of them when it is back, each once', async t => {
  const { desk, offer, pass } = await setting(t, {}, 4)
  await offer(4)
  await pass(4_000)
  // From now on, what is sent is answered.
  let answered = desk.sent.length
  for (let rounds = 0; rounds < 20; rounds++) {
    await pass(200)
    for (; answered < desk.sent.length; answered++) desk.answer(desk.sequences[answered] ?? -1)
  }
  t.deepEqual(
    desk.predictions.map(({ sequence }) => sequence),
    [0, 1, 2, 3],
  )
})

test('a frame that was sent again - tells nothing of how fast the pipeline is', async t => {
  const plan = planOf(1, { window: 50, leastWindow: 2 })
  const time = new TestTime()
  const desk = await Desk.open(t, plan, time)
  const source = new Subject<Tensor>()
  source.pipe(desk.dispatcher.infer({ stream: 's' })).subscribe({ error: () => {} })
  for (let i = 0; i < 60; i++) source.next(row(i, i))
  await settled()
  t.is(desk.sent.length, 2)
  desk.restored$.next()
  t.deepEqual(desk.sequences, [0, 1, 0, 1])
  for (const sequence of [0, 1]) desk.answer(sequence)
  t.is(desk.sent.length, 4 + 2, 'the window has not grown')
  for (const sequence of [2, 3]) desk.answer(sequence)
  t.true(desk.sent.length > 6 + 2)
})

test('a frame that is still leaving - is not sent again', async t => {
  const { desk, offer, pass } = await setting(t)
  desk.slow = true
  await offer(3)
  await pass(10_000)
  t.deepEqual(desk.sequences, [0, 1, 2])
})

test('a frame that finds no room, or a stage that is going - comes again later, and fails when it has done so often enough', async t => {
  const { desk, offer, pass, copiesOf } = await setting(t, { retries: 1 })
  await offer(2)
  for (const code of ['INBOX_FULL', 'RUNTIME_CRASHED'] as const) {
    desk.answer(code === 'INBOX_FULL' ? 0 : 1, { error: { code, message: 'not now' } })
  }
  t.deepEqual(desk.ends, [])
  t.deepEqual(
    desk.troubles.map(({ code }) => code),
    ['INBOX_FULL', 'RUNTIME_CRASHED'],
  )
  await pass(5_000)
  t.deepEqual([copiesOf(0), copiesOf(1)], [2, 2])
  desk.answer(0)
  desk.answer(1, { error: { code: 'RUNTIME_CRASHED', message: 'still not' } })
  t.deepEqual(desk.ends, ['s/0 predicted', 's/1 failed RUNTIME_CRASHED'])
})

test('a frame that was damaged on its way, there or back - is sent again at once', async t => {
  const { desk, offer, copiesOf } = await setting(t, { retries: 2 })
  await offer(1)
  desk.answer(0, { error: { code: 'ENVELOPE_CORRUPT', message: 'a wrong checksum' } })
  t.is(copiesOf(0), 2)
  const { header } = desk.sentOf(0)
  const result = encodeEnvelope({ header: { ...header, stage: 1 }, tensors: { y: row(0, 0) } })
  result[result.length - 1] = 1
  desk.deliver(result)
  t.is(copiesOf(0), 3)
  t.deepEqual(desk.ends, [])
  desk.answer(0, { error: { code: 'ENVELOPE_CORRUPT', message: 'and again' } })
  t.deepEqual(desk.ends, ['s/0 failed ENVELOPE_CORRUPT'])
})
