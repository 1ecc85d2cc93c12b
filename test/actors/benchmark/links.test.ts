import test, { type ExecutionContext } from 'ava'
import { measureInboxLink, measureLink } from '../../../actors/benchmark/index.js'
import { InboxProbes } from '../../../broker/index.js'
import { type Bus } from '../../../core/bus.js'
import { rejection } from '../../support/actors.js'
import { inboxBroker } from '../../support/inboxes.js'

const USER = { username: 'probe/w1/w2', password: 'right' }

/** A link in numbers, and what was sent over it. */
function link(mbps: number, latencyMs: number, passes: 1 | 2 = 1) {
  const sent: { bytes: number; ms: number }[] = []
  const time = async (bytes: number) => {
    const ms = latencyMs + (passes * bytes * 8) / 1e3 / mbps
    sent.push({ bytes, ms })
    return ms
  }
  return { sent, measure: () => measureLink(time, { mostBytes: 2 ** 20, passes }) }
}

for (const [mbps, latencyMs] of [
  [0.1, 5],
  [1, 40],
  [20, 1],
  [100, 0.5],
  [1_000, 0.2],
  [10_000, 0.1],
] as const) {
  test(`link figure - of ${mbps} Mbit/s and ${latencyMs} ms is right, with few messages`, async t => {
    const { sent, measure } = link(mbps, latencyMs)
    const figure = await measure()
    t.true(Math.abs(figure.mbps / mbps - 1) < 0.01, String(figure.mbps))
    t.true(figure.rttMs >= latencyMs && figure.rttMs < latencyMs + 1)
    const transferMs = sent.map(({ ms }) => ms - latencyMs)
    t.true(sent.length <= 16, String(sent.length))
    // Decision D11, but for a link on which the least that says something takes longer.
    t.true(Math.max(...transferMs) <= Math.max(250, (4_096 * 8) / 1e3 / mbps + 1), String(transferMs))
  })
}

test('link figure - is right also where some messages are late by chance', async t => {
  let count = 0
  const time = async (bytes: number) => 1 + (bytes * 8) / 1e3 / 20 + (++count % 3 === 0 ? 0 : 30)
  const { mbps } = await measureLink(time, { mostBytes: 2 ** 20, passes: 1 })
  t.true(Math.abs(mbps / 20 - 1) < 0.35, String(mbps))
})

test('link figure - counts the bytes of a message that comes back twice', async t => {
  const { mbps } = await link(20, 1, 2).measure()
  t.true(Math.abs(mbps / 20 - 1) < 0.01, String(mbps))
})

test('link figure - where a larger message takes no longer, is finite still', async t => {
  const { mbps } = await measureLink(async () => 5, { mostBytes: 2 ** 20, passes: 1 })
  t.true(mbps > 0 && Number.isFinite(mbps))
})

/** An inbox that lets USER in, and a way to measure the link to it. */
async function peers(t: ExecutionContext) {
  const [there, here] = [await inboxBroker(t), await inboxBroker(t)]
  const [accepting, measuring] = [new InboxProbes(there), new InboxProbes(here)]
  accepting.accept([USER])
  const target = (change: Partial<typeof USER> = {}) => ({ to: 'w2', url: there.url, ...USER, ...change })
  const connect = (change: Partial<typeof USER> = {}): Promise<Bus> => measuring.connect(target(change))
  return { there, accepting, target, connect }
}

test('inbox link - between two inbox brokers has a finite figure', async t => {
  const { target, connect } = await peers(t)
  const { mbps, rttMs } = await measureInboxLink(target(), () => connect())
  t.true(mbps > 1 && Number.isFinite(mbps), String(mbps))
  t.true(rttMs > 0 && rttMs < 1_000, String(rttMs))
})

test('inbox link - another password or user is refused, and one that is taken back', async t => {
  const { accepting, connect } = await peers(t)
  t.is(await rejection(connect({ password: 'wrong' })), 'BROKER_REFUSED')
  t.is(await rejection(connect({ username: 'probe/w1/w3' })), 'BROKER_REFUSED')
  accepting.accept([{ ...USER, password: 'newer' }])
  t.is(await rejection(connect()), 'BROKER_REFUSED')
  const bus = await connect({ password: 'newer' })
  t.teardown(() => bus.close())
  accepting.accept([])
  t.is(await rejection(connect({ password: 'newer' })), 'BROKER_REFUSED')
})

test('inbox link - who may measure may neither send frames nor listen', async t => {
  const { there, connect } = await peers(t)
  const heard: string[] = []
  const inbox = there.open('frames', { username: 'p/1/1', password: 'other' }, ({ topic }) =>
    heard.push(topic),
  )
  t.teardown(() => inbox.close())
  const listening = await connect()
  t.teardown(() => listening.close())
  t.true((await rejection(listening.subscribe('#', () => undefined))) !== undefined)
  const sending = await connect()
  t.teardown(() => sending.close())
  const sent = sending.publish('frames', new Uint8Array(1), { qos: 1, timeoutMs: 2_000 })
  t.true((await rejection(sent)) !== undefined)
  t.deepEqual(heard, [])
})

test('inbox link - is measured when the peer was told later whom to let in', async t => {
  const { accepting, target, connect } = await peers(t)
  accepting.accept([])
  let tries = 0
  const figure = await measureInboxLink(target(), () => {
    if (++tries === 2) accepting.accept([USER])
    return connect()
  })
  t.true(figure.mbps > 0)
  t.is(tries, 2)
})
