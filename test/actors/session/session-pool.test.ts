import test from 'ava'
import { SessionPool, wallClock } from '../../../actors/session/index.js'
import { decodeEnvelope } from '../../../core/codec/index.js'
import { adder, modelFile, numbersOf, plodder, rejection } from '../../support/actors.js'
import { frame, header } from '../../support/staging.js'

const HANDOVER = { carries: [], sends: ['sum'] }

async function sum(session: Awaited<ReturnType<SessionPool['open']>>): Promise<number[]> {
  const { message } = await session.process(new Uint8Array(frame(1)), header(1), wallClock())
  return numbersOf(decodeEnvelope(message).tensors, 'sum')
}

test('a pool - actors of one partition share its session, until the last of them is gone', async t => {
  const pool = new SessionPool()
  const setup = { model: await modelFile(t, adder(3)), handover: HANDOVER }
  const [one, two] = await Promise.all([pool.open(setup), pool.open(setup)])
  t.deepEqual(await sum(one), [4, 3])
  await one.close()
  await one.close()
  t.deepEqual(await sum(two), [4, 3])
  const three = await pool.open(setup)
  await two.close()
  t.deepEqual(await sum(three), [4, 3])
  await three.close()
  t.is(await rejection(sum(three)), 'STOPPED')
  const four = await pool.open(setup)
  t.deepEqual(await sum(four), [4, 3])
  await four.close()
})

test('a pool - the second actor of a partition is there at once', async t => {
  const pool = new SessionPool()
  const setup = { model: await modelFile(t, plodder(20)), handover: HANDOVER }
  const one = await pool.open(setup)
  let loaded = false
  const two = pool.open(setup).then(session => {
    loaded = true
    return session
  })
  // A thread that loads a model answers in another turn of the event loop.
  await Promise.resolve().then(() => Promise.resolve())
  for (let i = 0; i < 10; i++) await Promise.resolve()
  t.true(loaded)
  await Promise.all([one.close(), (await two).close()])
})

test('a pool - what cannot be loaded is not kept', async t => {
  const pool = new SessionPool()
  const bad = { model: await modelFile(t, new Uint8Array([1, 2, 3])), handover: HANDOVER }
  t.is(await rejection(pool.open(bad)), 'MODEL_INVALID')
  t.is(await rejection(pool.open(bad)), 'MODEL_INVALID')
})

test('a pool - other tensors to hand on, or another model, is another session', async t => {
  const pool = new SessionPool()
  const model = await modelFile(t, adder(3))
  const one = await pool.open({ model, handover: HANDOVER })
  const other = await pool.open({ model, handover: { ...HANDOVER, carries: ['x'] } })
  await one.close()
  t.deepEqual(await sum(other), [4, 3])
  await other.close()
})
