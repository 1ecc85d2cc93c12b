import test, { type ExecutionContext } from 'ava'
import { Subject } from 'rxjs'
import { type Tensor } from '../../../core/tensor.js'
import { row, settled } from '../../support/actors.js'
import { Desk, planOf, TestTime } from '../../support/dispatching.js'

async function setting(t: ExecutionContext, frames: number) {
  const time = new TestTime()
  const desk = await Desk.open(t, planOf(1, { window: 4 }), time)
  const source = new Subject<Tensor>()
  source.pipe(desk.dispatcher.infer({ stream: 's' })).subscribe({ error: () => {} })
  for (let i = 0; i < frames; i++) source.next(row(i, i))
  await settled()
  return { desk, time }
}

function suspect(sequence: number, dispatcher = 'door') {
  return { dispatcher, stream: 's', sequence }
}

test('frames of a crash - are sent again one by one, when nothing else is under way', async t => {
  const { desk } = await setting(t, 6)
  desk.crash([0, 1])
  t.deepEqual(desk.sequences, [0, 1, 2, 3])
  desk.answer(3)
  t.deepEqual(desk.sequences.slice(4), [], 'no further frame enters, and 2 is still under way')
  desk.answer(2)
  t.deepEqual(desk.sequences.slice(4), [0])
  desk.answer(0)
  t.deepEqual(desk.sequences.slice(4), [0, 1])
  desk.answer(1)
  t.deepEqual(desk.sequences.slice(4), [0, 1, 4, 5])
  for (const sequence of [4, 5]) desk.answer(sequence)
  t.deepEqual(
    desk.predictions.map(({ sequence }) => sequence),
    [0, 1, 2, 3, 4, 5],
  )
})

test('a frame that is alone in a second crash - fails, and those that were beside it are predicted', async t => {
  const { desk } = await setting(t, 3)
  desk.crash([0, 1])
  desk.answer(2)
  desk.crash([0])
  t.deepEqual(desk.ends, ['s/0 failed FRAME_POISONOUS'])
  t.deepEqual(desk.sequences.slice(3), [0, 1])
  desk.answer(1)
  t.deepEqual(desk.ends.slice(1), ['s/1 predicted', 's/2 predicted'])
  desk.answer(0)
  t.is(desk.predictions.length, 2)
})

test('a crash - that is told twice, or is of another pipeline or dispatcher, or of frames that have ended, changes nothing', async t => {
  const { desk } = await setting(t, 1)
  desk.crash([], { suspects: [suspect(0, 'other'), suspect(77)] })
  desk.crash([0], { pipeline: 'q' })
  t.deepEqual(desk.sequences, [0])
  desk.crash([0], { crash: 50 })
  t.deepEqual(desk.sequences, [0, 0])
  desk.crash([0], { crash: 50 })
  t.deepEqual([desk.sequences, desk.ends], [[0, 0], []])
  desk.answer(0)
  desk.crash([0])
  t.deepEqual(desk.ends, ['s/0 predicted'])
})

test('a frame of a crash - whose result comes all the same has ended', async t => {
  const { desk } = await setting(t, 5)
  desk.crash([0, 1])
  for (const sequence of [0, 1, 2, 3]) desk.answer(sequence)
  t.deepEqual(desk.sequences, [0, 1, 2, 3, 4])
})

test('a frame of a crash - that is beside those of other dispatchers each time is not failed for it at once', async t => {
  const { desk, time } = await setting(t, 1)
  const beside = () => ({ suspects: [suspect(5, 'other'), suspect(0)] })
  desk.crash([], beside())
  t.deepEqual(desk.sequences, [0], 'the other goes first')
  time.pass(5_200)
  t.deepEqual(desk.sequences, [0, 0])
  desk.crash([], beside())
  time.pass(5_200)
  desk.crash([], beside())
  time.pass(5_200)
  t.deepEqual([desk.sequences.length, desk.ends], [4, []])
  desk.crash([], beside())
  t.deepEqual(desk.ends, ['s/0 failed FRAME_POISONOUS'])
})

test('a frame of a crash - that is sent alone and gets lost is sent again, alone', async t => {
  const { desk, time } = await setting(t, 2)
  desk.crash([0])
  desk.answer(1)
  await settled()
  time.pass(1_700)
  t.deepEqual(desk.sequences, [0, 1, 0, 0])
  desk.answer(0)
  t.is(desk.predictions.length, 2)
})

test('a frame of a crash - goes alone under a new plan too, and is not sent with all the others', async t => {
  const { desk } = await setting(t, 3)
  desk.crash([0])
  desk.plan$.next(planOf(2))
  t.deepEqual(desk.sequences.slice(3), [1, 2])
  for (const sequence of [1, 2]) desk.answer(sequence)
  t.deepEqual(desk.sequences.slice(5), [0])
  // The process that crashes now names the frame that is there alone, again.
  desk.crash([0])
  t.deepEqual(desk.ends, ['s/0 failed FRAME_POISONOUS', 's/1 predicted', 's/2 predicted'])
})

test('a frame of a crash - fails at its deadline like any other, and then the next go on', async t => {
  const time = new TestTime()
  const desk = await Desk.open(t, planOf(1), time)
  const source = new Subject<Tensor>()
  source.pipe(desk.dispatcher.infer({ stream: 's', deadlineMs: 1 })).subscribe({ error: () => {} })
  source.next(row(0, 0))
  desk.crash([0], { suspects: [suspect(1, 'other'), suspect(0)] })
  await new Promise(resolve => setTimeout(resolve, 5))
  time.pass(200)
  t.deepEqual(desk.ends, ['s/0 failed FRAME_DEADLINE'])
  source.next(row(1, 1))
  t.deepEqual(desk.sequences, [0, 1])
})
