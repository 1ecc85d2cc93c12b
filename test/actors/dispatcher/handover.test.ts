import test, { type ExecutionContext } from 'ava'
import { Subject } from 'rxjs'
import { type Tensor } from '../../../core/tensor.js'
import { row } from '../../support/actors.js'
import { Desk, planOf, TestTime, WINDOW } from '../../support/dispatching.js'

async function setting(t: ExecutionContext) {
  const desk = await Desk.open(t, planOf(1), new TestTime())
  const source = new Subject<Tensor>()
  source.pipe(desk.dispatcher.infer({ stream: 's' })).subscribe({ error: () => {} })
  const offer = (count: number) => {
    for (let i = 0; i < count; i++) source.next(row(i, i))
  }
  return { desk, offer, time: desk.time ?? new TestTime() }
}

/** What was sent, as epoch/sequence. */
function sentIn({ sent }: Desk): string[] {
  return sent.map(({ header }) => `${header.epoch}/${header.sequence}`)
}

test('a plan that drains - what is under way ends where it is, and what follows goes the new way', async t => {
  const { desk, offer } = await setting(t)
  offer(2)
  desk.plan$.next(planOf(2, { handover: 'drain' }))
  t.deepEqual(sentIn(desk), ['1/0', '1/1'])
  offer(2)
  t.deepEqual(sentIn(desk), ['1/0', '1/1', '2/2'], 'no more than the window in all')
  desk.answer(0, { epoch: 2 })
  t.deepEqual(desk.ends, [], 'of an epoch that it was not sent under')
  desk.answer(1)
  t.deepEqual(sentIn(desk).slice(3), ['2/3'])
  desk.answer(2)
  desk.answer(0)
  desk.answer(3)
  t.deepEqual(
    desk.predictions.map(({ sequence, epoch }) => [sequence, epoch]),
    [
      [0, 1],
      [1, 1],
      [2, 2],
      [3, 2],
    ],
  )
  t.is(desk.dispatcher.counts().duplicates, 0)
  t.deepEqual(desk.epochs, [
    { epoch: 1, draining: [] },
    { epoch: 2, draining: [1] },
    { epoch: 2, draining: [] },
  ])
})

test('a plan that drains - with two windows, no more is under way than the larger one, nor than each has room for', async t => {
  for (const [window, sent] of [
    [1, []],
    [2, ['2/3']],
    [WINDOW + 3, ['2/3', '2/4', '2/5']],
  ] as const) {
    const { desk, offer } = await setting(t)
    offer(WINDOW)
    desk.plan$.next(planOf(2, { handover: 'drain', window }))
    offer(10)
    if (window < WINDOW) desk.answer(0)
    t.deepEqual(
      sentIn(desk).slice(WINDOW, WINDOW + 3),
      window === 1 ? ['2/3'] : [...sent],
      `window ${window}`,
    )
    for (const sequence of [0, 1, 2]) desk.answer(sequence)
    t.is(desk.sent.length, WINDOW + window, 'a window of the new one, when the old one has ended')
  }
})

test('a plan that drains - what has not ended in five seconds is sent again under it', async t => {
  const { desk, offer, time } = await setting(t)
  // Its way is so slow that it is not taken for lost before.
  desk.slow = true
  offer(2)
  desk.plan$.next(planOf(2, { handover: 'drain' }))
  time.pass(4_900)
  t.deepEqual(sentIn(desk), ['1/0', '1/1'])
  time.pass(200)
  t.deepEqual(sentIn(desk).slice(2), ['2/0', '2/1'])
  t.deepEqual(desk.epochs.at(-1), { epoch: 2, draining: [] })
  desk.answer(0, { epoch: 1 })
  t.deepEqual(desk.ends, [])
  for (const sequence of [1, 0]) desk.answer(sequence)
  t.deepEqual(desk.ends, ['s/0 predicted', 's/1 predicted'])
  t.is(desk.dispatcher.counts().duplicates, 0)
})

test('a plan that drains - another may follow meanwhile, which drains or replays all before it', async t => {
  const { desk, offer } = await setting(t)
  offer(1)
  desk.plan$.next(planOf(2, { handover: 'drain' }))
  offer(1)
  desk.plan$.next(planOf(3, { handover: 'drain' }))
  offer(1)
  t.deepEqual(sentIn(desk), ['1/0', '2/1', '3/2'])
  t.deepEqual(desk.epochs.at(-1), { epoch: 3, draining: [1, 2] })
  desk.answer(1)
  t.deepEqual(desk.epochs.at(-1), { epoch: 3, draining: [1] })
  desk.plan$.next(planOf(4))
  t.deepEqual(sentIn(desk).slice(3), ['4/0', '4/2'])
  t.deepEqual(desk.epochs.at(-1), { epoch: 4, draining: [] })
  desk.answer(0, { epoch: 1 })
  desk.answer(2, { epoch: 3 })
  t.deepEqual(desk.ends, [])
  for (const sequence of [0, 2]) desk.answer(sequence)
  t.deepEqual(desk.ends, ['s/0 predicted', 's/1 predicted', 's/2 predicted'])
})

test('a plan that drains - under an epoch that was used before replays: results could not be told apart', async t => {
  const { desk, offer } = await setting(t)
  offer(2)
  desk.plan$.next(planOf(1, { term: 2, handover: 'drain' }))
  t.deepEqual(sentIn(desk), ['1/0', '1/1', '1/0', '1/1'])
  t.deepEqual(desk.epochs.at(-1), { epoch: 1, draining: [] })
})
