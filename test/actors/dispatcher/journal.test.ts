import test, { type ExecutionContext } from 'ava'
import { EMPTY, lastValueFrom, Subject, toArray } from 'rxjs'
import { DeferredFrame, type FrameInput, type Prediction } from '../../../actors/dispatcher/index.js'
import { type Journal } from '../../../actors/journal/index.js'
import { inTurns, row, testFolder } from '../../support/actors.js'
import { Desk, planOf, WINDOW } from '../../support/dispatching.js'
import { crashed, testJournal } from '../../support/journals.js'

const CAM = { stream: 'cam' }

async function deskOn(t: ExecutionContext, journal: Journal): Promise<Desk> {
  return Desk.open(t, planOf(1), undefined, journal.lease('p'))
}

/** A desk on a new journal, with a stream. */
async function begun(t: ExecutionContext, maxBytes?: number) {
  const path = await testFolder(t)
  const opened = await testJournal(t, path, maxBytes === undefined ? {} : { maxBytes })
  const desk = await deskOn(t, opened.journal)
  const source = new Subject<FrameInput>()
  const given: Prediction[] = []
  const errors: unknown[] = []
  const subscription = source
    .pipe(desk.dispatcher.infer(CAM))
    .subscribe({ next: one => given.push(one), error: error => errors.push(error) })
  return { path, ...opened, desk, source, given, errors, subscription }
}

/** The same after a crash of the program, with nothing from its source any more. */
async function resumed(t: ExecutionContext, path: string) {
  const { journal } = await testJournal(t, await crashed(t, path))
  const desk = await deskOn(t, journal)
  const given: Prediction[] = []
  const complete = lastValueFrom(EMPTY.pipe(desk.dispatcher.infer(CAM), toArray()))
  // Of a desk that is closed with the test.
  complete.catch(() => undefined)
  desk.dispatcher.predictions$.subscribe(one => given.push(one))
  return { desk, given, complete, journal }
}

test('a journal - a frame is on disk before it is admitted and sent', async t => {
  const { path, desk, source } = await begun(t)
  const admitted: number[] = []
  desk.dispatcher.frames$.subscribe(({ sequence }) => admitted.push(sequence))
  source.next(row(1, 2))
  t.deepEqual([admitted, desk.sequences], [[], []])
  await inTurns(() => desk.sent.length === 1)
  t.deepEqual(admitted, [0])
  const { desk: next } = await resumed(t, path)
  await inTurns(() => next.sent.length === 1)
  t.deepEqual(next.sent[0]?.tensors, { x: row(1, 2) })
})

test('a journal - after a crash come first the predictions that were not delivered, under the same identity', async t => {
  const { path, journal, desk, source, given } = await begun(t)
  for (let i = 0; i < 5; i++) source.next(row(i, i))
  await inTurns(() => desk.sent.length === WINDOW)
  // The first is delivered, the third waits for the second.
  desk.answer(0)
  await inTurns(() => desk.sent.length === WINDOW + 1)
  desk.answer(2)
  await inTurns(() => desk.sent.length === WINDOW + 2)
  t.is(given.length, 1)
  await journal.written()

  const after = await testJournal(t, await crashed(t, path))
  const next = await deskOn(t, after.journal)
  const again = new Subject<FrameInput>()
  const got: Prediction[] = []
  const done = new Promise<void>(resolve => {
    again.pipe(next.dispatcher.infer(CAM)).subscribe({ next: one => got.push(one), complete: resolve })
  })
  again.next(row(9, 9))
  again.complete()
  for (const sequence of [1, 2, 3, 4, 5]) {
    await inTurns(() => next.sequences.includes(sequence))
    next.answer(sequence)
  }
  await done
  t.deepEqual(
    got.map(({ dispatcher, stream, sequence, outputs }) => [
      dispatcher,
      stream,
      sequence,
      outputs['y']?.data[0],
    ]),
    [1, 2, 3, 4, 5].map(i => [given[0]?.dispatcher, 'cam', i, i === 5 ? 9 : i]),
  )
  t.deepEqual(next.dispatcher.counts(), {
    admitted: 5,
    predicted: 5,
    dropped: 0,
    failed: 0,
    duplicates: 0,
    open: 0,
  })
})

test('a journal - what was delivered but not recorded comes again, and nothing twice in one life', async t => {
  const { path, journal, desk, source, given } = await begun(t)
  source.next(row(1, 1))
  await inTurns(() => desk.sent.length === 1)
  const before = await crashed(t, path)
  desk.answer(0)
  t.is(given.length, 1)
  const again = await resumed(t, before)
  await inTurns(() => again.desk.sent.length === 1)
  again.desk.answer(0)
  again.desk.answer(0)
  t.deepEqual(
    (await again.complete).map(({ sequence }) => sequence),
    [0],
  )
  await journal.written()
  t.deepEqual(await (await resumed(t, path)).complete, [])
})

test('a journal - frames that failed, were refused or dropped have ended, and their numbers are not used again', async t => {
  const { path, journal, desk, source, subscription } = await begun(t)
  source.next(row(1, 1))
  source.next(row(2, 2))
  source.next(row(3))
  await inTurns(() => desk.sent.length === 2)
  desk.fail(0)
  subscription.unsubscribe()
  t.deepEqual(desk.ends, [
    'cam/2 failed FRAME_SHAPE',
    'cam/0 failed INFERENCE_FAILED',
    'cam/1 dropped unsubscribed',
  ])
  await journal.written()
  const { desk: next, complete } = await resumed(t, path)
  t.deepEqual(await complete, [])
  next.dispatcher.push(CAM).offer(row(4, 4))
  await inTurns(() => next.sent.length === 1)
  t.deepEqual(next.sequences, [3])
})

test('a journal - closing the program leaves in it what has not ended', async t => {
  const { path, journal, desk, source, errors } = await begun(t)
  for (let i = 0; i < 5; i++) source.next(row(i, i))
  await inTurns(() => desk.sent.length === WINDOW)
  await desk.dispatcher.close()
  await journal.close()
  t.like(errors[0], { code: 'STOPPED' })
  t.deepEqual(desk.ends, [])
  const { desk: next } = await resumed(t, path)
  await inTurns(() => next.sent.length === WINDOW)
  // Each is sent when it has been read; results are put in order.
  t.deepEqual([...next.sequences].sort(), [0, 1, 2])
})

test('a journal - when it is full, a source that is pulled waits, and one that pushes is told', async t => {
  const { desk, journal, troubles } = await begun(t, 300)
  let asked = 0
  function* rows() {
    for (;;) yield row(asked++, 0)
  }
  const pulled = desk.dispatcher.pull(rows()).pipe(desk.dispatcher.infer({ stream: 'pulled' }))
  const subscription = pulled.subscribe()
  await inTurns(() => desk.sent.length === 1)
  await journal.written()
  await inTurns(() => troubles.length === 1)
  t.is(asked, 1)
  const errors: unknown[] = []
  const source = new Subject<FrameInput>()
  source.pipe(desk.dispatcher.infer({ stream: 'pushed' })).subscribe({ error: error => errors.push(error) })
  source.next(row(1, 1))
  t.like(errors[0], { code: 'SOURCE_OVERRUN' })
  t.regex(String(errors[0]), /journal/)
  desk.answer(0)
  await inTurns(() => desk.sent.length === 2)
  t.is(asked, 2)
  subscription.unsubscribe()
})

test('a journal - does not keep freshest streams, and wants a name for all others', async t => {
  const { path, desk, journal } = await begun(t)
  const errors: unknown[] = []
  new Subject<FrameInput>().pipe(desk.dispatcher.infer()).subscribe({ error: error => errors.push(error) })
  t.like(errors[0], { code: 'OPTION_INVALID' })
  const source = new Subject<FrameInput>()
  source
    .pipe(desk.dispatcher.infer({ delivery: 'freshest' }))
    .subscribe({ error: error => errors.push(error) })
  source.next(row(1, 1))
  t.is(desk.sent.length, 1)
  await journal.written()
  t.deepEqual(await (await resumed(t, path)).complete, [])
})

test('a journal - frames that are pushed stay in it until their pusher says that they have ended', async t => {
  const { path, desk, journal } = await begun(t)
  const push = desk.dispatcher.push({ stream: 'sensor' })
  const record = { note: 'door', content: Uint8Array.of(1, 2) }
  push.offer(new DeferredFrame(2, () => row(1, 2), record))
  push.offer(new DeferredFrame(2, () => row(3, 4), record))
  await inTurns(() => desk.sent.length === 2)
  for (const sequence of [0, 1]) desk.answer(sequence)
  push.ended(0)
  await journal.written()
  const { journal: after } = await testJournal(t, await crashed(t, path))
  const next = await deskOn(t, after)
  const again = next.dispatcher.push({ stream: 'sensor' }, kept => {
    return new DeferredFrame(kept.bytes, async () => row(...(await kept.read())))
  })
  t.deepEqual(
    again.journal?.kept.map(({ sequence, note }) => [sequence, note]),
    [[1, 'door']],
  )
  await inTurns(() => next.sent.length === 1)
  t.deepEqual(next.sent[0]?.tensors, { x: row(1, 2) })
})
