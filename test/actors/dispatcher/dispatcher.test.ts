import test from 'ava'
import { concat, firstValueFrom, from, NEVER, type Observable, of, Subject, throwError, toArray } from 'rxjs'
import { type AdmittedFrame, type Prediction } from '../../../actors/dispatcher/index.js'
import { MillraceError } from '../../../core/errors.js'
import { tensor, type Tensor } from '../../../core/tensor.js'
import { inTurns, numbersOf, rejection, row, settled, TOPICS, until } from '../../support/actors.js'
import { Desk, planOf, WINDOW } from '../../support/dispatching.js'

function rows(count: number): Tensor[] {
  return Array.from({ length: count }, (_, i) => row(i, -i))
}

function sequences(predictions: readonly Prediction[]): number[] {
  return predictions.map(({ sequence }) => sequence)
}

test('a dispatcher - tells each frame that was admitted, its prediction, and how it ended', async t => {
  const desk = await Desk.open(t)
  const { dispatcher } = desk
  const frames: AdmittedFrame[] = []
  dispatcher.frames$.subscribe(frame => frames.push(frame))
  const before = Date.now()
  const result = firstValueFrom(from(rows(2)).pipe(dispatcher.infer({ stream: 'camera' }), toArray()))
  t.deepEqual(dispatcher.counts(), {
    admitted: 2,
    predicted: 0,
    dropped: 0,
    failed: 0,
    duplicates: 0,
    open: 2,
  })
  t.like(frames, [{ dispatcher: 'door', stream: 'camera', sequence: 0 }, { sequence: 1 }])
  t.deepEqual(frames[1]?.tensors, { x: row(1, -1) })
  t.true((frames[0]?.admittedAt ?? 0) >= before)
  t.deepEqual(
    desk.sent.map(({ topic, header }) => [topic, header.epoch, header.stage]),
    [0, 1].map(() => [planOf(1).stages[0]?.inbox.topic, 1, 0]),
  )
  desk.answer(0)
  t.deepEqual(desk.ends, ['camera/0 predicted'])
  desk.answer(1)
  const predictions = await result
  t.deepEqual(
    predictions.map(({ outputs }) => numbersOf(outputs, 'y')),
    [
      [0, -0],
      [1, -1],
    ],
  )
  t.deepEqual(desk.predictions, predictions)
  const [first] = predictions
  t.like(first, { dispatcher: 'door', stream: 'camera', sequence: 0, epoch: 1 })
  t.is(first?.admittedAt, frames[0]?.admittedAt)
  t.true((first?.ageMs ?? -1) >= 0 && (first?.ageMs ?? 1e9) < 60_000)
  t.true((first?.bytes ?? 0) > 100)
  t.deepEqual(dispatcher.counts(), {
    admitted: 2,
    predicted: 2,
    dropped: 0,
    failed: 0,
    duplicates: 0,
    open: 0,
  })
})

test('a dispatcher - delivers in admission order whatever the order of results, or as they come if asked to', async t => {
  for (const [order, expected] of [
    ['admission', [0, 1, 2]],
    ['completion', [2, 0, 1]],
  ] as const) {
    const desk = await Desk.open(t)
    const result = firstValueFrom(from(rows(3)).pipe(desk.dispatcher.infer({ order }), toArray()))
    for (const sequence of [2, 0, 1]) desk.answer(sequence)
    t.deepEqual(sequences(await result), expected)
  }
})

test('a dispatcher - has no more than a window of frames under way, and serves its streams in turn', async t => {
  const desk = await Desk.open(t)
  const { dispatcher } = desk
  from(rows(6))
    .pipe(dispatcher.infer({ stream: 'a' }))
    .subscribe({ error: () => {} })
  from(rows(2))
    .pipe(dispatcher.infer({ stream: 'b' }))
    .subscribe({ error: () => {} })
  t.deepEqual(
    desk.sent.map(({ header }) => `${header.stream}${header.sequence}`),
    ['a0', 'a1', 'a2'],
  )
  for (const sequence of [0, 1, 2]) desk.answer(sequence, {}, 'a')
  const sent = desk.sent.slice(WINDOW).map(({ header }) => `${header.stream}${header.sequence}`)
  t.is(sent.length, 3)
  t.true(sent.includes('b0') && sent.includes('a3'))
})

test('a dispatcher - shares the frames of all its streams among the replicas of the first stage', async t => {
  const [first] = planOf(1).stages
  const stages = [0, 1].flatMap(replica =>
    first === undefined
      ? []
      : [{ ...first, replica, inbox: { topic: TOPICS.data.stage('p', 1, 0, replica) } }],
  )
  const other = stages.map(stage => ({ ...stage, stage: 1, inbox: { topic: 'of another stage' } }))
  const desk = await Desk.open(t, planOf(1, { stages: [...stages, ...other], window: 100 }))
  // Streams of a frame each: all of these have the same number.
  for (let i = 0; i < 40; i++) {
    from(rows(1))
      .pipe(desk.dispatcher.infer({ stream: `s${i}` }))
      .subscribe({ error: () => {} })
  }
  const taken = stages.map(({ inbox }) => desk.sent.filter(({ topic }) => topic === inbox.topic).length)
  t.is(desk.sent.length, 40)
  for (const count of taken) t.true(Math.abs(count - 20) <= 2, taken.join(', '))
  t.deepEqual(
    desk.sent.map(({ header }) => header.turn),
    desk.sent.map((_, i) => i),
  )
  desk.restored$.next()
  t.deepEqual(
    desk.sent.slice(40).map(({ header, topic }) => [header.stream, header.turn, topic]),
    desk.sent.slice(0, 40).map(({ header, topic }) => [header.stream, header.turn, topic]),
  )
})

test('a dispatcher - pulls no more of a source than the window has room for', async t => {
  const desk = await Desk.open(t)
  const { dispatcher } = desk
  let asked = 0
  function* endless() {
    for (;;) yield row(asked++, 0)
  }
  const subscription = dispatcher
    .pull(endless())
    .pipe(dispatcher.infer())
    .subscribe({ error: () => {} })
  for (let answered = 0; answered < 5; answered++) {
    await inTurns(() => desk.sent.length === WINDOW + answered)
    await settled()
    await settled()
    t.is(asked, WINDOW + answered)
    desk.answer(answered)
  }
  subscription.unsubscribe()
})

test('a dispatcher - takes hot sources as they come, and ends with its source when all frames have ended', async t => {
  const desk = await Desk.open(t)
  const source = new Subject<Tensor>()
  const got: number[] = []
  let complete = false
  source
    .pipe(desk.dispatcher.infer())
    .subscribe({ next: ({ sequence }) => got.push(sequence), complete: () => (complete = true) })
  source.next(row(1, 1))
  desk.answer(0)
  t.deepEqual(got, [0])
  source.next(row(2, 2))
  source.complete()
  t.false(complete)
  desk.answer(1)
  t.deepEqual([got, complete], [[0, 1], true])
  t.deepEqual(await firstValueFrom(from<Tensor[]>([]).pipe(desk.dispatcher.infer(), toArray())), [])
})

test('a dispatcher - a frame that the model does not take fails alone', async t => {
  const desk = await Desk.open(t)
  const bad = [
    { other: row(1, 2) },
    {},
    row(1, 2, 3),
    tensor('float64', [1, 2], new Float64Array(2)),
    { x: { ...row(1, 2), data: new Float32Array(5) } as Tensor },
  ]
  const result = firstValueFrom(
    from([...bad, row(8, 9)]).pipe(desk.dispatcher.infer({ stream: 's' }), toArray()),
  )
  t.deepEqual(desk.ends, [
    's/0 failed FRAME_INPUT_UNKNOWN',
    's/1 failed FRAME_INPUT_UNKNOWN',
    's/2 failed FRAME_SHAPE',
    's/3 failed FRAME_DTYPE',
    's/4 failed TENSOR_INVALID',
  ])
  t.deepEqual(desk.sequences, [5])
  desk.answer(5)
  t.deepEqual(sequences(await result), [5])
  t.like(desk.dispatcher.counts(), { admitted: 6, failed: 5, predicted: 1, open: 0 })
})

test('a dispatcher - a frame that a stage fails on has its error in the ledger, and later ones do not wait for it', async t => {
  const desk = await Desk.open(t)
  const result = firstValueFrom(from(rows(3)).pipe(desk.dispatcher.infer({ stream: 's' }), toArray()))
  desk.answer(1)
  desk.fail(0)
  desk.answer(2)
  t.deepEqual(sequences(await result), [1, 2])
  t.deepEqual(desk.ends, ['s/0 failed INFERENCE_FAILED', 's/1 predicted', 's/2 predicted'])
})

test('a dispatcher - a stream that is to throw ends with the first failure, and drops what is left', async t => {
  const desk = await Desk.open(t)
  const infer = desk.dispatcher.infer({ stream: 's', failures: 'throw' })
  const result = firstValueFrom(concat(from(rows(5)), NEVER).pipe(infer, toArray()))
  desk.fail(1)
  t.is(await rejection(result), 'INFERENCE_FAILED')
  t.is(desk.ends[0], 's/1 failed INFERENCE_FAILED')
  t.deepEqual(
    desk.ends.slice(1).sort(),
    [0, 2, 3, 4].map(i => `s/${i} dropped unsubscribed`),
  )
  const bad = firstValueFrom(of(row(1, 2, 3)).pipe(desk.dispatcher.infer({ failures: 'throw' })))
  t.is(await rejection(bad), 'FRAME_SHAPE')
})

test('a dispatcher - a frame without a result fails at its deadline, which runs from its admission', async t => {
  const desk = await Desk.open(t)
  const result = firstValueFrom(
    from(rows(WINDOW + 2)).pipe(desk.dispatcher.infer({ stream: 's', deadlineMs: 2_000 }), toArray()),
  )
  desk.answer(0)
  t.deepEqual(sequences(await result), [0])
  t.deepEqual(
    desk.ends.slice(1),
    [1, 2, 3, 4].map(i => `s/${i} failed FRAME_DEADLINE`),
  )
  for (const { admittedAt, endedAt } of desk.entries.slice(1)) t.true(endedAt - admittedAt >= 2_000)
  // A second deadline after the first would be one window later.
  const [first, ...others] = desk.entries.slice(1)
  for (const { endedAt } of others) t.true(endedAt - (first?.endedAt ?? 0) < 1_900)
  desk.answer(1)
  t.like(desk.dispatcher.counts(), { failed: 4, predicted: 1, duplicates: 1, open: 0 })
})

test('a dispatcher - one who unsubscribes ends the stream, and its frames are dropped', async t => {
  const desk = await Desk.open(t)
  const { dispatcher } = desk
  const got: number[] = []
  const subscription = concat(from(rows(WINDOW + 2)), NEVER)
    .pipe(dispatcher.infer({ stream: 's' }))
    .subscribe(({ sequence }) => got.push(sequence))
  desk.answer(0)
  from(rows(1))
    .pipe(dispatcher.infer({ stream: 'next' }))
    .subscribe({ error: () => {} })
  t.is(desk.sent.filter(({ header }) => header.stream === 'next').length, 0)
  subscription.unsubscribe()
  t.is(desk.ends[0], 's/0 predicted')
  t.deepEqual(
    desk.ends.slice(1).sort(),
    [1, 2, 3, 4].map(i => `s/${i} dropped unsubscribed`),
  )
  t.is(desk.sent.filter(({ header }) => header.stream === 'next').length, 1)
  desk.answer(1, {}, 's')
  t.deepEqual(got, [0])
  t.like(dispatcher.counts(), { dropped: 4, predicted: 1, duplicates: 1, open: 1 })
})

test('a dispatcher - a result that waits for an earlier frame has not been delivered, and is not said to be', async t => {
  const desk = await Desk.open(t)
  const infer = desk.dispatcher.infer({ stream: 's' })
  const subscription = concat(from(rows(2)), NEVER)
    .pipe(infer)
    .subscribe()
  desk.answer(1)
  t.deepEqual([desk.ends, desk.predictions], [[], []])
  subscription.unsubscribe()
  t.deepEqual([...desk.ends].sort(), ['s/0 dropped unsubscribed', 's/1 dropped unsubscribed'])
  const closed = firstValueFrom(concat(from(rows(2)), NEVER).pipe(desk.dispatcher.infer({ stream: 'c' })))
  desk.answer(1, {}, 'c')
  await desk.dispatcher.close()
  t.is(await rejection(closed), 'STOPPED')
  t.deepEqual(desk.ends.slice(2).sort(), ['c/0 failed STOPPED', 'c/1 failed STOPPED'])
})

test('a dispatcher - a source that fails ends the stream with its error', async t => {
  const desk = await Desk.open(t)
  const source = concat(
    from(rows(1)),
    throwError(() => new Error('camera gone')),
  )
  const result = firstValueFrom(source.pipe(desk.dispatcher.infer({ stream: 's' })))
  await t.throwsAsync(result, { message: 'camera gone' })
  t.deepEqual(desk.ends, ['s/0 dropped unsubscribed'])
})

test('a dispatcher - the name of a stream is used once at a time, and its numbers go on', async t => {
  const desk = await Desk.open(t)
  const infer = () => desk.dispatcher.infer({ stream: 's' })
  const result = firstValueFrom(from(rows(1)).pipe(infer(), toArray()))
  t.is(await rejection(firstValueFrom(from(rows(1)).pipe(infer()))), 'OPTION_INVALID')
  desk.answer(0)
  await result
  const again = firstValueFrom(from(rows(1)).pipe(infer(), toArray()))
  desk.answer(1)
  t.deepEqual(sequences(await again), [1])
  const unnamed = desk.dispatcher.infer()
  for (let i = 0; i < 2; i++)
    from(rows(1))
      .pipe(unnamed)
      .subscribe({ error: () => {} })
  t.is(new Set(desk.sent.map(({ header }) => header.stream)).size, 3)
})

test('a dispatcher - options that it does not have, or values that they do not take, are refused', async t => {
  const { dispatcher } = await Desk.open(t)
  t.throws(() => dispatcher.infer({ streem: 'x' } as object), { code: 'OPTION_UNKNOWN' })
  t.throws(() => dispatcher.infer({ stream: 'Not A Name' }), { code: 'OPTION_INVALID' })
  t.throws(() => dispatcher.infer({ deadlineMs: 0 }), { code: 'OPTION_INVALID' })
})

test('a dispatcher - the freshest of frames that come too fast are kept, and the stale ones dropped', async t => {
  const desk = await Desk.open(t)
  const infer = desk.dispatcher.infer({ stream: 's', delivery: 'freshest', maxQueuedFrames: 2 })
  const result = firstValueFrom(from(rows(WINDOW + 4)).pipe(infer, toArray()))
  t.deepEqual(
    desk.ends,
    [3, 4].map(i => `s/${i} dropped stale`),
  )
  for (const sequence of [0, 1, 2, 5, 6]) desk.answer(sequence)
  t.deepEqual(sequences(await result), [0, 1, 2, 5, 6])
})

test('a dispatcher - unless told otherwise, the freshest frame is the only one that waits', async t => {
  const desk = await Desk.open(t)
  const infer = desk.dispatcher.infer({ stream: 's', delivery: 'freshest' })
  const result = firstValueFrom(from(rows(WINDOW + 3)).pipe(infer, toArray()))
  t.deepEqual(
    desk.ends,
    [3, 4].map(i => `s/${i} dropped stale`),
  )
  for (const sequence of [0, 1, 2, 5]) desk.answer(sequence)
  t.deepEqual(sequences(await result), [0, 1, 2, 5])
})

/** The number of frames under way is found out, and begins with four. */
const FINDS_OUT = planOf(1, { window: 6, leastWindow: 4 })

test('a dispatcher - frames of a freshest stream do not wait on their way, and others fill the window', async t => {
  const desk = await Desk.open(t, FINDS_OUT)
  const source = new Subject<Tensor>()
  source.pipe(desk.dispatcher.infer({ stream: 's', delivery: 'freshest' })).subscribe({ error: () => {} })
  for (const frame of rows(5)) source.next(frame)
  t.deepEqual(desk.sequences, [0, 1])
  t.deepEqual(
    desk.ends,
    [2, 3].map(i => `s/${i} dropped stale`),
  )
  const lossless = new Subject<Tensor>()
  lossless.pipe(desk.dispatcher.infer({ stream: 'l' })).subscribe({ error: () => {} })
  for (const frame of rows(5)) lossless.next(frame)
  t.deepEqual(
    desk.sent.map(({ header }) => `${header.stream}/${header.sequence}`),
    ['s/0', 's/1', 'l/0', 'l/1'],
  )
  desk.answer(0, {}, 's')
  t.is(desk.sentOf(4, 's').header.sequence, 4)
})

test('a dispatcher - of a freshest stream that is pulled nothing is dropped', async t => {
  const desk = await Desk.open(t, FINDS_OUT)
  const infer = desk.dispatcher.infer({ stream: 's', delivery: 'freshest' })
  const result = firstValueFrom(desk.dispatcher.pull(rows(8)).pipe(infer, toArray()))
  for (let i = 0; i < 8; i++) {
    await inTurns(() => desk.sequences.includes(i))
    desk.answer(i)
  }
  t.deepEqual(sequences(await result), [0, 1, 2, 3, 4, 5, 6, 7])
})

test('a dispatcher - unless told otherwise, 1,024 frames of a lossless source that pushes may wait', async t => {
  const desk = await Desk.open(t)
  const source = new Subject<Tensor>()
  const result = firstValueFrom(source.pipe(desk.dispatcher.infer({ stream: 's' })))
  for (const frame of rows(WINDOW + 1_024)) source.next(frame)
  t.deepEqual(desk.ends, [])
  source.next(row(0, 0))
  t.is(await rejection(result), 'SOURCE_OVERRUN')
})

test('a dispatcher - a lossless source that pushes more than the queue holds is told, and asked no more', async t => {
  const desk = await Desk.open(t)
  let asked = 0
  function* endless() {
    while (asked < 100_000) yield row(asked++, 0)
  }
  const infer = desk.dispatcher.infer({ stream: 's', maxQueuedFrames: 2 })
  t.is(await rejection(firstValueFrom(from(endless()).pipe(infer))), 'SOURCE_OVERRUN')
  t.true(asked <= WINDOW + 4, `${asked} were asked for`)
  t.is(desk.ends[0], `s/${WINDOW + 2} failed SOURCE_OVERRUN`)
  t.like(desk.dispatcher.counts(), { admitted: WINDOW + 3, failed: 1, dropped: WINDOW + 2, open: 0 })
})

test('a dispatcher - results that are late, doubled, of another epoch or none at all change nothing', async t => {
  const desk = await Desk.open(t)
  const result = firstValueFrom(from(rows(2)).pipe(desk.dispatcher.infer({ stream: 's' }), toArray()))
  desk.answer(0, { epoch: 0 })
  desk.answer(0, { epoch: 2 })
  desk.answer(0, { dispatcher: 'elsewhere' })
  desk.answer(0, { sequence: 77 })
  desk.deliver(new Uint8Array(40))
  t.deepEqual(desk.ends, [])
  t.deepEqual(
    desk.troubles.map(({ code }) => code),
    ['ENVELOPE_INVALID'],
  )
  desk.answer(0)
  desk.answer(0)
  desk.fail(0)
  desk.answer(1)
  t.deepEqual(sequences(await result), [0, 1])
  t.deepEqual(desk.ends, ['s/0 predicted', 's/1 predicted'])
  t.is(desk.dispatcher.counts().duplicates, 4)
})

test('a dispatcher - under a new plan sends what is under way again, and takes no more of the old epoch', async t => {
  const desk = await Desk.open(t)
  const plans: number[] = []
  desk.dispatcher.plan$.subscribe(({ epoch }) => plans.push(epoch))
  const result = firstValueFrom(from(rows(4)).pipe(desk.dispatcher.infer({ stream: 's' }), toArray()))
  desk.answer(1)
  desk.sent.splice(0)
  desk.plan$.next(planOf(5))
  t.deepEqual(desk.sequences, [0, 2, 3])
  for (const { topic, header } of desk.sent)
    t.deepEqual([topic, header.epoch], [planOf(5).stages[0]?.inbox.topic, 5])
  desk.answer(0, { epoch: 1 })
  desk.plan$.next(planOf(4))
  desk.plan$.next(planOf(6, { term: 0 }))
  t.deepEqual(plans, [1, 5])
  for (const sequence of [3, 2, 0]) desk.answer(sequence)
  t.deepEqual(sequences(await result), [0, 1, 2, 3])
  t.deepEqual(
    desk.predictions.map(({ epoch }) => epoch),
    [5, 1, 5, 5],
  )
  t.is(desk.dispatcher.counts().duplicates, 0)
})

test('a dispatcher - sends what is under way again when the link is back, and counts a second result', async t => {
  const desk = await Desk.open(t)
  desk.broken = new MillraceError('BUS_DISCONNECTED', 'cable out')
  const result = firstValueFrom(from(rows(2)).pipe(desk.dispatcher.infer(), toArray()))
  await settled()
  t.deepEqual(
    desk.troubles.map(({ code }) => code),
    ['BUS_DISCONNECTED', 'BUS_DISCONNECTED'],
  )
  t.deepEqual(desk.sent, [])
  desk.broken = undefined
  desk.restored$.next()
  t.deepEqual(desk.sequences, [0, 1])
  desk.restored$.next()
  desk.answer(0)
  desk.answer(0)
  desk.answer(1)
  t.deepEqual(sequences(await result), [0, 1])
  t.is(desk.dispatcher.counts().duplicates, 1)
})

test('a dispatcher - a frame that cannot be sent as it is fails alone', async t => {
  const desk = await Desk.open(t)
  const gone = row(4, 4)
  const frames = [...rows(WINDOW), gone, row(5, 5)]
  const result = firstValueFrom(from(frames).pipe(desk.dispatcher.infer({ stream: 's' }), toArray()))
  if (gone.dtype !== 'string') structuredClone(gone.data.buffer, { transfer: [gone.data.buffer] })
  for (const sequence of [0, 1, 2]) desk.answer(sequence)
  t.is(
    desk.ends.find(end => end.startsWith('s/3')),
    's/3 failed TENSOR_INVALID',
  )
  desk.answer(4)
  t.deepEqual(sequences(await result), [0, 1, 2, 4])
})

test('a dispatcher - closing fails what has not ended, and ends its streams and observables', async t => {
  const desk = await Desk.open(t)
  const { dispatcher } = desk
  const result = firstValueFrom(
    concat(from(rows(WINDOW + 1)), NEVER).pipe(dispatcher.infer({ stream: 's' }), toArray()),
  )
  const pulled = firstValueFrom(dispatcher.pull(rows(5)).pipe(toArray()))
  desk.answer(0)
  const ledger = firstValueFrom(dispatcher.ledger$.pipe(toArray()))
  await dispatcher.close()
  await dispatcher.close()
  t.is(await rejection(result), 'STOPPED')
  t.is(await rejection(pulled), 'STOPPED')
  t.is((await ledger).length, WINDOW)
  t.deepEqual(
    desk.ends.slice(1).sort(),
    [1, 2, 3].map(i => `s/${i} failed STOPPED`),
  )
  t.is(dispatcher.counts().open, 0)
  t.is(await rejection(firstValueFrom(from(rows(1)).pipe(dispatcher.infer()))), 'STOPPED')
  t.is(await rejection(firstValueFrom(dispatcher.pull(rows(1)))), 'STOPPED')
  desk.answer(1)
  t.is(desk.predictions.length, 1)
  for (const all of [dispatcher.frames$, dispatcher.predictions$] as Observable<unknown>[]) {
    t.deepEqual(await firstValueFrom(all.pipe(toArray())), [])
  }
  t.is((await until(dispatcher.plan$)).epoch, 1)
})
