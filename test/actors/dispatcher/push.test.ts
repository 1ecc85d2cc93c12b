import test from 'ava'
import { DeferredFrame, type FrameInput, inferOptions } from '../../../actors/dispatcher/index.js'
import { Streams } from '../../../actors/dispatcher/streams.js'
import { type FlowActions, StreamFlow } from '../../../actors/dispatcher/stream-flow.js'
import { MillraceError } from '../../../core/errors.js'
import { parseOptions } from '../../../core/options.js'
import { row, settled } from '../../support/actors.js'
import { Desk, planOf, WINDOW } from '../../support/dispatching.js'

/** A frame that is loaded when the test says so. */
function later(bytes = 1) {
  let done: (input: FrameInput) => void = () => {}
  let fail: (error: Error) => void = () => {}
  const loaded = new Promise<FrameInput>((resolve, reject) => {
    done = resolve
    fail = reject
  })
  const frame = { started: false, deferred: new DeferredFrame(bytes, () => load()), done, fail }
  const load = () => {
    frame.started = true
    return loaded
  }
  return frame
}

test('push - a deferred frame is admitted at once, loaded when the window has room, and sent when loaded', async t => {
  const desk = await Desk.open(t)
  const stream = desk.dispatcher.push({ stream: 'cam' })
  const frames = Array.from({ length: WINDOW + 1 }, () => later())
  for (const { deferred } of frames) stream.offer(deferred)
  t.deepEqual([stream.nextSequence, desk.dispatcher.counts().admitted], [WINDOW + 1, WINDOW + 1])
  await settled()
  t.deepEqual(
    frames.map(({ started }) => started),
    [true, true, true, false],
  )
  t.deepEqual(desk.sequences, [])
  frames[1]?.done(row(1, 2))
  await settled()
  t.deepEqual(desk.sequences, [1])
  desk.answer(1)
  await settled()
  t.true(frames[3]?.started)
})

test('push - predictions come in the order of admission, however long each took to load', async t => {
  const desk = await Desk.open(t)
  const stream = desk.dispatcher.push({ stream: 'cam' })
  const frames = [later(), later(), later()]
  for (const { deferred } of frames) stream.offer(deferred)
  for (const i of [2, 1, 0]) {
    frames[i]?.done(row(i, i))
    await settled()
    desk.answer(i)
  }
  t.deepEqual(desk.sequences, [2, 1, 0])
  t.deepEqual(
    desk.predictions.map(({ sequence }) => sequence),
    [0, 1, 2],
  )
})

test('push - a frame that cannot be loaded, or is loaded as none, fails alone', async t => {
  const desk = await Desk.open(t)
  const stream = desk.dispatcher.push({ stream: 'cam' })
  const frames = [later(), later(), later()]
  for (const { deferred } of frames) stream.offer(deferred)
  frames[0]?.fail(new MillraceError('FRAME_MALFORMED', 'garbage'))
  frames[1]?.done(row(1, 2, 3))
  frames[2]?.done(row(1, 2))
  await settled()
  desk.answer(2)
  t.deepEqual(desk.ends, ['cam/0 failed FRAME_MALFORMED', 'cam/1 failed FRAME_SHAPE', 'cam/2 predicted'])
})

test('push - what fails or is dropped at once takes a number and leaves the stream in order', async t => {
  const desk = await Desk.open(t)
  const stream = desk.dispatcher.push({ stream: 'cam' })
  stream.offer(row(1, 1))
  stream.reject(new MillraceError('MESSAGE_TOO_LARGE', 'too large'))
  stream.discard('overrun')
  stream.offer(row(2, 2))
  desk.answer(3)
  t.deepEqual(desk.ends, ['cam/1 failed MESSAGE_TOO_LARGE', 'cam/2 dropped overrun'])
  desk.answer(0)
  t.deepEqual(desk.ends.slice(2), ['cam/0 predicted', 'cam/3 predicted'])
})

test('push - a frame that a lossless queue has no room for is dropped, and the stream goes on', async t => {
  const desk = await Desk.open(t, planOf(1, { window: 1 }))
  const stream = desk.dispatcher.push({ stream: 'cam', maxQueuedFrames: 1 })
  for (const value of [0, 1, 2]) stream.offer(row(value, value))
  t.deepEqual(desk.ends, ['cam/2 dropped overrun'])
  desk.answer(0)
  desk.answer(1)
  stream.offer(row(3, 3))
  desk.answer(3)
  t.deepEqual(desk.ends.slice(1), ['cam/0 predicted', 'cam/1 predicted', 'cam/3 predicted'])
})

test('push - of the freshest, the oldest that waits is dropped before it is loaded', async t => {
  const desk = await Desk.open(t, planOf(1, { window: 1 }))
  const stream = desk.dispatcher.push({ stream: 'cam', delivery: 'freshest', maxQueuedFrames: 1 })
  const frames = [later(), later(), later()]
  for (const { deferred } of frames) stream.offer(deferred)
  t.deepEqual(desk.ends, ['cam/1 dropped stale'])
  frames[0]?.done(row(1, 1))
  await settled()
  desk.answer(0)
  await settled()
  t.deepEqual(
    frames.map(({ started }) => started),
    [true, false, true],
  )
})

test('push - a change of plan sends again what was loaded, and the rest once, when it is', async t => {
  const desk = await Desk.open(t)
  const stream = desk.dispatcher.push({ stream: 'cam' })
  const frames = [later(), later()]
  for (const { deferred } of frames) stream.offer(deferred)
  frames[0]?.done(row(1, 1))
  await settled()
  desk.plan$.next(planOf(2))
  frames[1]?.done(row(2, 2))
  await settled()
  t.deepEqual(
    desk.sent.map(({ header }) => [header.sequence, header.epoch]),
    [
      [0, 1],
      [0, 2],
      [1, 2],
    ],
  )
})

test('push - a frame that is still being loaded at its deadline fails, and is not sent after', async t => {
  const desk = await Desk.open(t)
  const frame = later()
  const failed = new Promise(resolve => desk.dispatcher.ledger$.subscribe(resolve))
  desk.dispatcher.push({ stream: 'cam', deadlineMs: 1 }).offer(frame.deferred)
  await failed
  frame.done(row(1, 1))
  await settled()
  t.deepEqual([desk.ends, desk.sequences], [['cam/0 failed FRAME_DEADLINE'], []])
})

test('push - a closed stream drops what has not ended, goes on with its numbers, and takes nothing from its successor', async t => {
  const desk = await Desk.open(t)
  const first = desk.dispatcher.push({ stream: 'cam' })
  first.offer(row(1, 1))
  first.close()
  t.deepEqual(desk.ends, ['cam/0 dropped unsubscribed'])
  const second = desk.dispatcher.push({ stream: 'cam' })
  first.close()
  t.is(second.nextSequence, 1)
  second.offer(row(2, 2))
  desk.answer(1)
  t.deepEqual(desk.ends.slice(1), ['cam/1 predicted'])
})

test('streams - numbers are never used again, though only some names are remembered', t => {
  const streams = new Streams()
  const options = { ...parseOptions(inferOptions, {}, 'test'), overflow: 'drop' as const }
  const nothing = () => {}
  const actions: FlowActions = {
    inputs: () => [],
    frame: (sequence, tensors) => ({ dispatcher: 'd', stream: 's', sequence, tensors, admittedAt: 0 }),
    ...{ admit: nothing, drop: nothing, fail: nothing, queued: nothing },
    ...{ deliver: nothing, complete: nothing, error: nothing },
  }
  const openAt = (name: string): number => {
    let first = -1
    const flow = streams.open(name, (stream, sequence) => {
      first = sequence
      return new StreamFlow(stream, options, sequence, actions)
    })
    flow.discard('overrun')
    streams.close(flow)
    return first
  }
  t.deepEqual([openAt('a'), openAt('a'), openAt('a')], [0, 1, 2])
  for (let i = 0; i < 10_000; i++) t.is(openAt(`s${i}`), 0)
  t.is(openAt('a'), 3)
})
