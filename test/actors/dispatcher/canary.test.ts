import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { Subject } from 'rxjs'
import { type Plan } from '../../../core/control/index.js'
import { type Tensor } from '../../../core/tensor.js'
import { isCanaryFrame } from '../../../core/versions.js'
import { row, TOPICS } from '../../support/actors.js'
import { Desk, planOf, TestTime } from '../../support/dispatching.js'

const WINDOW = 8

/** A version under an epoch, whose digits are that of the epoch. */
function versionPlan(epoch: number, change: Partial<Plan> = {}): Plan {
  const { stages, ...plan } = planOf(epoch, { window: WINDOW, ...change })
  const inbox = { topic: TOPICS.data.stage('p', epoch, 0, 0) }
  const model = { sha256: String(epoch).repeat(64), bytes: 1, name: 'm' }
  return { ...plan, model, stages: stages.map(stage => ({ ...stage, inbox })) }
}

/** Epoch `main`, with a canary where there is one, as the `number`th state of the pipeline. */
function stateOf(number: number, main: number, canary?: number, change: Partial<Plan> = {}): Plan {
  const plan: Plan = { ...versionPlan(main), revision: { term: 1, number }, handover: 'drain', ...change }
  return canary === undefined ? plan : { ...plan, canary: { share: 0.5, plan: versionPlan(canary) } }
}

async function setting(t: ExecutionContext, plan = stateOf(3, 1, 2)) {
  const desk = await Desk.open(t, plan, new TestTime())
  const source = new Subject<Tensor>()
  source.pipe(desk.dispatcher.infer({ stream: 's' })).subscribe({ error: () => {} })
  let made = 0
  const offer = (count: number) => {
    for (let i = 0; i < count; i++) source.next(row(made, made++))
  }
  const answerAll = () => {
    for (let i = 0; i < desk.sent.length; i++) desk.answerTo(desk.sent[i] ?? desk.sentOf(0))
  }
  return { desk, offer, answerAll }
}

/** What was sent from a message on, as epoch/sequence. */
function sentIn({ sent }: Desk, from = 0): string[] {
  return sent.slice(from).map(({ header }) => `${header.epoch}/${header.sequence}`)
}

test('isCanaryFrame - takes the share of any run of frames, to within one, evenly spread', t => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.001, max: 0.999, noNaN: true }),
      fc.nat(100_000),
      fc.integer({ min: 1, max: 2_000 }),
      (share, from, count) => {
        const taken = Array.from({ length: count }, (_, i) => i).filter(i => isCanaryFrame(from + i, share))
        t.true(Math.abs(taken.length - share * count) <= 1 + 1e-6)
      },
    ),
  )
  t.deepEqual(
    Array.from({ length: 30 }, (_, i) => i).filter(i => isCanaryFrame(i, 0.1)),
    [9, 19, 29],
  )
})

test('a canary - frames take the way that their numbers say, and predictions name its version, in order', async t => {
  const { desk, offer } = await setting(t)
  offer(4)
  t.deepEqual(sentIn(desk), ['1/0', '2/1', '1/2', '2/3'])
  for (const sequence of [3, 2, 1]) desk.answer(sequence)
  t.deepEqual(desk.predictions, [])
  desk.answer(0)
  t.deepEqual(
    desk.predictions.map(({ sequence, epoch, version }) => [sequence, epoch, version]),
    [0, 1, 2, 3].map(i => [i, 1 + (i % 2), String(1 + (i % 2)).repeat(12)]),
  )
  t.deepEqual(desk.epochs, [{ epoch: 1, canary: 2, draining: [] }])
})

test('a canary - a result under the other epoch than the frame was sent under changes nothing', async t => {
  const { desk, offer } = await setting(t)
  offer(2)
  desk.answer(0, { epoch: 2 })
  desk.answer(1, { epoch: 1 })
  t.deepEqual(desk.ends, [])
})

test('a canary - that fills its window holds the source back, and takes none of the other one', async t => {
  const { desk, offer } = await setting(t)
  offer(40)
  t.is(desk.sent.length, 2 * WINDOW - 1)
  for (let i = 0; i < 2 * WINDOW; i += 2) desk.answer(i)
  t.is(desk.sent.filter(({ header }) => header.epoch === 2).length, WINDOW)
  t.is(desk.dispatcher.counts().failed, 0)
})

test('a canary - that is ended at once has its frames sent again, and those of the other version stay', async t => {
  const { desk, offer } = await setting(t)
  offer(4)
  desk.plan$.next(stateOf(4, 1, undefined, { handover: 'replay' }))
  offer(1)
  t.deepEqual(sentIn(desk, 4), ['1/1', '1/3', '1/4'])
  desk.answer(1, { epoch: 2 })
  for (const sequence of [0, 1, 2, 3, 4]) desk.answer(sequence)
  t.deepEqual(new Set(desk.predictions.map(({ epoch }) => epoch)), new Set([1]))
  t.deepEqual(
    desk.ends,
    [0, 1, 2, 3, 4].map(i => `s/${i} predicted`),
  )
  t.is(desk.dispatcher.counts().duplicates, 0)
})

test('a canary - that is rolled back or promoted, and the one that stays, keep the frames that they have', async t => {
  for (const [next, left, stays] of [
    [stateOf(4, 1), 2, 1],
    [stateOf(4, 2), 1, 2],
  ] as const) {
    const { desk, offer } = await setting(t)
    offer(4)
    desk.plan$.next(next)
    offer(2)
    t.deepEqual(sentIn(desk, 4), [`${stays}/4`, `${stays}/5`])
    t.deepEqual(desk.epochs.at(-1), { epoch: stays, draining: [left] })
    for (const sequence of [0, 1, 2, 3, 4, 5]) desk.answer(sequence)
    t.deepEqual(
      desk.predictions.map(({ epoch }) => epoch),
      [1, 2, 1, 2, stays, stays],
    )
    t.deepEqual(desk.epochs.at(-1), { epoch: stays, draining: [] })
  }
})

test('a canary - stays when the version beside it is mended, whose frames alone are sent again', async t => {
  const { desk, offer } = await setting(t)
  offer(4)
  const { revision: _, ...mended } = stateOf(5, 5, 2, { handover: 'replay' })
  desk.plan$.next(mended)
  t.deepEqual(sentIn(desk, 4), ['5/0', '5/2'])
  desk.plan$.next(stateOf(4, 1))
  t.deepEqual(desk.epochs.at(-1), { epoch: 5, canary: 2, draining: [] }, 'an older state changes nothing')
})

test('a canary - a frame that it fails, or that was in its crash, is predicted by the version beside it', async t => {
  const { desk, offer } = await setting(t)
  offer(2)
  desk.fail(1)
  t.deepEqual(sentIn(desk, 2), ['1/1'])
  t.is(desk.troubles.at(-1)?.code, 'INFERENCE_FAILED')
  for (const sequence of [0, 1]) desk.answer(sequence)
  offer(2)
  desk.crash([3], { epoch: 2 })
  desk.answer(2)
  t.deepEqual(sentIn(desk, 5), ['1/3'])
  desk.answer(3)
  t.deepEqual(
    desk.ends,
    [0, 1, 2, 3].map(i => `s/${i} predicted`),
  )
  offer(2)
  desk.fail(4)
  t.is(desk.ends.at(-1), 's/4 failed INFERENCE_FAILED', 'what the version in force fails has failed')
})

test('versions - whatever changes when, each frame is predicted once, in order, by a version that was in force', async t => {
  const change = fc.constantFrom('canary', 'promote', 'rollback', 'end', 'mend', 'replace')
  const step = fc.oneof(
    fc.record({ offer: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ answer: fc.nat(20) }),
    fc.record({ change }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
      const { desk, offer, answerAll } = await setting(t, versionPlan(1))
      let state = { number: 1, main: 1, canary: undefined as number | undefined }
      let offered = 0
      for (const one of steps) {
        if ('offer' in one) {
          offer(one.offer)
          offered += one.offer
        } else if ('answer' in one) {
          const sent = desk.sent[one.answer]
          if (sent !== undefined) desk.answerTo(sent)
        } else {
          state = after(state, one.change)
          const { number, main, canary } = state
          const handover = one.change === 'end' || one.change === 'mend' ? 'replay' : 'drain'
          desk.plan$.next(stateOf(number, main, canary, { handover }))
        }
      }
      answerAll()
      t.deepEqual(
        desk.predictions.map(({ sequence }) => sequence),
        Array.from({ length: offered }, (_, i) => i),
      )
      for (const { epoch, version } of desk.predictions) {
        t.is(version, String(epoch).repeat(64).slice(0, 12))
      }
      const { admitted, predicted, failed, dropped } = desk.dispatcher.counts()
      t.deepEqual([admitted, predicted, failed, dropped], [offered, offered, 0, 0])
      await desk.dispatcher.close()
    }),
    { numRuns: 200 },
  )
})

type State = { readonly number: number; readonly main: number; readonly canary: number | undefined }

/** What a supervisor would make of it; as it is where it would refuse. */
function after(state: State, change: string): State {
  const { main, canary } = state
  const number = state.number + 1
  if (change === 'canary') return { number: number + 1, main, canary: number }
  if (change === 'replace') return { number, main: number, canary: undefined }
  if (change === 'mend') return { number, main: number, canary }
  if (canary === undefined) return state
  return { number, main: change === 'promote' ? canary : main, canary: undefined }
}
