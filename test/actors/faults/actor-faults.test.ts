import test from 'ava'
import { ActorFaults, type ActorParts } from '../../../actors/faults/index.js'
import { decodeEnvelope } from '../../../core/codec/index.js'
import { type Link } from '../../../core/link.js'
import { settled } from '../../support/actors.js'
import { codeOf } from '../../support/errors.js'
import { ACTIVATION, frame, header, STAGE } from '../../support/staging.js'

const DELIVERY = { mbps: 12, ms: 80, agoMs: 0 }
const PLACE = { pipeline: 'p', stage: STAGE }

/** The parts of an actor that keep what leaves, and say that each run took 10 ms. */
function setting() {
  const sent: Uint8Array[] = []
  const link: Link = {
    listen: () => Promise.reject(new Error('nobody listens')),
    open: () => ({
      settled: Promise.resolve('peer' as const),
      way: 'peer',
      delivery: DELIVERY,
      send: async message => void sent.push(message),
      close: () => Promise.resolve(),
    }),
  }
  const sessions: ActorParts['sessions'] = {
    open: async () => ({
      process: async (message, _header, _arrivedAt, lz4) => ({ message, failed: lz4 === true, runMs: 10 }),
      rehearse: () => Promise.resolve(10),
      close: () => Promise.resolve(),
    }),
  }
  let crashes = 0
  const faults = new ActorFaults(() => crashes++)
  return { sent, faults, parts: faults.around(ACTIVATION, { link, sessions }), crashes: () => crashes }
}

const SETUP = { model: 'none' }

test('an actor that suffers nothing - sends and runs as ever', async t => {
  const { sent, parts } = setting()
  const message = frame(1)
  const outlet = parts.link.open({ topic: 'next' })
  await outlet.send(message)
  t.is(sent[0], message)
  t.is(outlet.delivery, DELIVERY)
  const session = await parts.sessions.open(SETUP)
  const plain = await session.process(new Uint8Array(1), header(1), 0)
  const packed = await session.process(new Uint8Array(1), header(1), 0, true)
  t.deepEqual([plain.failed, packed.failed, plain.runMs], [false, true, 10])
})

test('a damaged message - is found out by its receiver, wherever it is damaged, and the sender keeps its own', async t => {
  const { sent, faults, parts } = setting()
  faults.apply({ type: 'corrupt', ...PLACE, rate: 1 })
  const message = frame(1)
  const copy = new Uint8Array(message)
  const outlet = parts.link.open({ topic: 'next' })
  for (let i = 0; i < 500; i++) await outlet.send(message)
  t.deepEqual(message, copy)
  for (const damaged of sent) {
    t.regex(String(codeOf(() => decodeEnvelope(damaged))), /^ENVELOPE_(CORRUPT|INVALID|VERSION)$/)
  }
})

test('a damaged share - is that of the messages of its stage, until it is 0 again', async t => {
  const { sent, faults, parts } = setting()
  const outlet = parts.link.open({ topic: 'next' })
  const message = frame(1)
  const damagedOf = async () => {
    sent.length = 0
    for (let i = 0; i < 400; i++) await outlet.send(message)
    return sent.filter(one => one !== message).length / 400
  }
  faults.apply({ type: 'corrupt', pipeline: 'p', stage: STAGE + 1, rate: 1 })
  t.is(await damagedOf(), 0)
  faults.apply({ type: 'corrupt', ...PLACE, rate: 0.5 })
  const share = await damagedOf()
  t.true(share > 0.3 && share < 0.7, String(share))
  faults.apply({ type: 'corrupt', ...PLACE, rate: 0 })
  t.is(await damagedOf(), 0)
})

test('a slowed stage - takes its runs one after the other, each so many times as long, and says so', async t => {
  const { faults, parts } = setting()
  faults.apply({ type: 'slow', ...PLACE, factor: 3 })
  const session = await parts.sessions.open(SETUP)
  const startedAt = performance.now()
  const runs = [1, 2, 3].map(sequence => session.process(new Uint8Array(1), header(sequence), 0))
  t.deepEqual(
    (await Promise.all(runs)).map(({ runMs }) => runMs),
    [30, 30, 30],
  )
  t.true(performance.now() - startedAt >= 3 * 20 - 3)
})

test('a poisonous frame - ends the process, and no other does', async t => {
  const { faults, parts, crashes } = setting()
  faults.apply({ type: 'poison', ...PLACE, stream: 'camera', sequence: 7 })
  const session = await parts.sessions.open(SETUP)
  await session.process(new Uint8Array(1), header(6), 0)
  await session.process(new Uint8Array(1), header(7, { stream: 'other' }), 0)
  t.is(crashes(), 0)
  void session.process(new Uint8Array(1), header(7), 0)
  await settled()
  t.is(crashes(), 1)
})
