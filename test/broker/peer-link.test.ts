import test, { type ExecutionContext } from 'ava'
import { type InboxBroker, PeerLink } from '../../broker/index.js'
import { type BusMessage } from '../../core/bus.js'
import { type LinkAddress } from '../../core/link.js'
import { inTurns, rejection, settled, testBroker, type TestBroker } from '../support/actors.js'
import { Inbox, textOf } from '../support/bus.js'
import { inboxBroker, peerAddress, senderTo } from '../support/inboxes.js'
import { freePort } from '../support/ports.js'

const TOPIC = 'a/inbox'

/** The links of one worker's runtime. */
async function linksOf({ connect }: TestBroker, worker: string, inbox?: InboxBroker): Promise<PeerLink> {
  return new PeerLink({ worker, bus: await connect(worker), inbox, sendTimeoutMs: 5_000 })
}

async function setting(t: ExecutionContext) {
  const cluster = await testBroker(t)
  const inbox = await inboxBroker(t)
  const [near, far] = [await linksOf(cluster, 'w1'), await linksOf(cluster, 'w2', inbox)]
  const open = (address: LinkAddress) => {
    const outlet = near.open(address)
    t.teardown(() => outlet.close())
    return outlet
  }
  return { cluster, inbox, near, far, open }
}

test('a link - within one runtime hands the very memory over', async t => {
  const { far } = await setting(t)
  const heard: BusMessage[] = []
  const inlet = await far.listen({ topic: TOPIC, worker: 'w2' }, message => heard.push(message))
  const outlet = far.open({ topic: TOPIC, worker: 'w2' })
  t.is(await outlet.settled, 'local')
  const message = Uint8Array.of(1, 2, 3)
  await outlet.send(message)
  t.is(heard[0]?.payload.buffer, message.buffer)
  t.like(heard[0], { topic: TOPIC, owned: true, retained: false })
  await inlet.close()
  await outlet.send(message)
  t.is(heard.length, 1)
})

test('a link - goes straight to an inbox that its sender can reach, past the broker', async t => {
  const { cluster, inbox, far, open } = await setting(t)
  const [heard, overheard] = [new Inbox(), new Inbox()]
  await (await cluster.connect('spy')).subscribe('#', overheard.handler)
  const address = peerAddress(TOPIC, inbox.url)
  await far.listen(address, heard.handler)
  const outlet = open(address)
  t.is(await outlet.settled, 'peer')
  await outlet.send(textOf('straight'))
  await heard.holds(1)
  t.deepEqual([heard.texts, overheard.texts], [['straight'], []])
})

test('a link - what has left straight to a peer is memory for what comes to its own inbox', async t => {
  const { cluster, inbox, far } = await setting(t)
  const own = await inboxBroker(t)
  const near = await linksOf(cluster, 'w1', own)
  const heard: BusMessage[] = []
  await far.listen(peerAddress(TOPIC, inbox.url), message => heard.push(message))
  const outlet = near.open(peerAddress(TOPIC, inbox.url))
  t.teardown(() => outlet.close())
  t.is(await outlet.settled, 'peer')
  const message = new Uint8Array(100_000).fill(7)
  await outlet.send(message)
  t.is(own.memory.take(message.byteLength).buffer, message.buffer)
  await inTurns(() => heard.length === 1)
  t.true(heard[0]?.owned)
  t.deepEqual(Buffer.from(heard[0]?.payload ?? []), Buffer.alloc(100_000, 7))
})

test('a link - several senders share the credentials of an inbox', async t => {
  const { cluster, inbox, far, near } = await setting(t)
  const other = await linksOf(cluster, 'w3')
  const heard = new Inbox()
  const address = peerAddress(TOPIC, inbox.url, true)
  await far.listen(address, heard.handler)
  const outlets = [near, other].map(link => link.open(address))
  t.teardown(() => Promise.all(outlets.map(outlet => outlet.close())))
  t.deepEqual(await Promise.all(outlets.map(outlet => outlet.settled)), ['peer', 'peer'])
  for (let i = 0; i < 6; i++) await outlets[i % 2]?.send(textOf(String(i)))
  await heard.holds(6)
  t.deepEqual([...heard.texts].sort(), ['0', '1', '2', '3', '4', '5'])
})

test("a link - goes through the cluster's broker where the receiver has no inbox", async t => {
  const { cluster, open } = await setting(t)
  const lacking = await linksOf(cluster, 'w3')
  const heard = new Inbox()
  await lacking.listen({ topic: TOPIC, worker: 'w3' }, heard.handler)
  const outlet = open({ topic: TOPIC, worker: 'w3' })
  t.is(await outlet.settled, 'broker')
  await outlet.send(textOf('around'))
  await heard.holds(1)
  t.deepEqual(heard.texts, ['around'])
})

test("a link - goes through the cluster's broker where the inbox cannot be reached", async t => {
  const { far, open } = await setting(t)
  const heard = new Inbox()
  const address = peerAddress(TOPIC, `mqtt://127.0.0.1:${await freePort()}`)
  await far.listen(address, heard.handler)
  const outlet = open(address)
  t.is(await outlet.settled, 'broker')
  await outlet.send(textOf('around'))
  await heard.holds(1)
  t.deepEqual(heard.texts, ['around'])
})

test('a link - that may only go straight takes nothing from the broker', async t => {
  const { cluster, inbox, far, open } = await setting(t)
  const heard = new Inbox()
  const address = peerAddress(TOPIC, inbox.url, true)
  await far.listen(address, heard.handler)
  const bus = await cluster.connect('anybody')
  await bus.publish(TOPIC, textOf('by the broker'), { qos: 1 })
  const outlet = open(address)
  t.is(await outlet.settled, 'peer')
  await outlet.send(textOf('straight'))
  await heard.holds(1)
  await settled()
  t.deepEqual(heard.texts, ['straight'])
})

test('a link - closed at its receiver, takes nothing more by any way', async t => {
  const { cluster, inbox, far, open } = await setting(t)
  const heard = new Inbox()
  const address = peerAddress(TOPIC, inbox.url)
  const inlet = await far.listen(address, heard.handler)
  const outlet = open(address)
  await outlet.settled
  await outlet.send(textOf('one'))
  await heard.holds(1)
  await inlet.close()
  // The sender sees that its connection is cut, and takes the other way.
  const bus = await cluster.connect('spy')
  const around = new Inbox()
  await bus.subscribe(TOPIC, around.handler)
  await inTurns(() => {
    outlet.send(textOf('two')).catch(() => undefined)
    return around.messages.length > 0
  })
  await far.open({ topic: TOPIC, worker: 'w2' }).send(textOf('three'))
  t.deepEqual(heard.texts, ['one'])
})

test('a link - that cannot listen at the broker leaves no inbox open', async t => {
  const cluster = await testBroker(t)
  const inbox = await inboxBroker(t)
  const bus = await cluster.connect('w2')
  const far = new PeerLink({ worker: 'w2', bus, inbox, sendTimeoutMs: 5_000 })
  await bus.close()
  const heard = new Inbox()
  t.is(await rejection(far.listen(peerAddress(TOPIC, inbox.url), heard.handler)), 'BUS_CLOSED')
  // Who has the key of an inbox is let in as long as that is open.
  await t.throwsAsync(senderTo(t, inbox), { message: /refused/ })
})
