import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { defer, repeat } from 'rxjs'
import { FaultyLine, type InboxBroker, startBroker } from '../../broker/index.js'
import { PeerOutlet } from '../../broker/peer-outlet.js'
import { type Outlet } from '../../core/link.js'
import { inTurns, rejection, until } from '../support/actors.js'
import { Inbox, textOf } from '../support/bus.js'
import { inboxBroker, KEY, peerAddress } from '../support/inboxes.js'
import { freePort, portOf } from '../support/ports.js'

const TOPIC = 'a/inbox'

/** The other way, and what went there. */
class Detour implements Outlet {
  readonly settled = Promise.resolve('broker' as const)
  readonly way = 'broker'
  readonly texts: string[] = []
  closed = false

  send(message: Uint8Array): Promise<void> {
    this.texts.push(Buffer.from(message).toString())
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.closed = true
    return Promise.resolve()
  }
}

function outletTo(t: ExecutionContext, url: string, only = false) {
  const detour = new Detour()
  const outlet = new PeerOutlet(peerAddress(TOPIC, url, only), detour, { sendTimeoutMs: 5_000 })
  t.teardown(() => outlet.close())
  return { outlet, detour }
}

/** Sends numbered messages, from the first on, until one arrives at `inbox`. @returns those that were sent */
async function sendUntilPeer(outlet: Outlet, inbox: Inbox, sent: string[] = []): Promise<string[]> {
  const before = inbox.messages.length
  await inTurns(() => {
    sent.push(String(sent.length))
    outlet.send(textOf(sent.at(-1) ?? '')).catch(() => undefined)
    return inbox.messages.length > before
  })
  return sent
}

async function listening(t: ExecutionContext, onConnection: (socket: Socket) => void) {
  const sockets = new Set<Socket>()
  let accepted = 0
  const server: Server = createServer(socket => {
    accepted++
    sockets.add(socket)
    socket
      .on('error', () => undefined)
      .on('close', () => sockets.delete(socket))
      .resume()
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { url: `mqtt://127.0.0.1:${portOf(server)}`, sockets, accepted: () => accepted }
}

test('a peer outlet - sends straight to an inbox that it can reach', async t => {
  const broker = await inboxBroker(t)
  const inbox = new Inbox()
  broker.open(TOPIC, KEY, inbox.handler)
  const { outlet, detour } = outletTo(t, broker.url)
  t.is(await outlet.settled, 'peer')
  for (const text of ['one', 'two', 'three']) await outlet.send(textOf(text))
  await inbox.holds(3)
  t.is(outlet.way, 'peer')
  t.deepEqual([inbox.texts, detour.texts], [['one', 'two', 'three'], []])
})

test('a peer outlet - learns from the inbox how fast that takes its messages', async t => {
  const broker = await inboxBroker(t)
  const inbox = new Inbox()
  broker.open(TOPIC, KEY, inbox.handler)
  const { outlet } = outletTo(t, broker.url)
  await outlet.settled
  t.is(outlet.delivery, undefined)
  let sent = 0
  const sending = defer(() => outlet.send(new Uint8Array(1e6).fill(sent++))).pipe(repeat({ delay: 20 }))
  await until(sending, () => outlet.delivery !== undefined)
  const { mbps = 0, ms = 0 } = outlet.delivery ?? {}
  t.is(Math.round((mbps * ms) / 8), 1_000)
  await inbox.holds(sent)
  t.deepEqual(
    inbox.messages.map(({ bytes }) => [bytes.byteLength, bytes[0]]),
    Array.from({ length: sent }, (_, i) => [1e6, i % 256]),
  )
})

test('a peer outlet - sends another way until the inbox is there, and straight from then on', async t => {
  const broker = await inboxBroker(t)
  const { outlet, detour } = outletTo(t, broker.url)
  t.is(outlet.way, 'broker')
  await outlet.send(textOf('early'))
  t.deepEqual(detour.texts, ['early'])
  const inbox = new Inbox()
  broker.open(TOPIC, KEY, inbox.handler)
  // Settled, so that nothing goes the other way any more.
  t.is(await outlet.settled, 'peer')
  t.is(outlet.way, 'peer')
  await outlet.send(textOf('last'))
  await inbox.hears('last')
  t.deepEqual([detour.texts, inbox.texts], [['early'], ['last']])
})

const unreachable: Record<string, (t: ExecutionContext) => Promise<string>> = {
  'where nobody listens': async () => `mqtt://127.0.0.1:${await freePort()}`,
  'that accepts and says nothing': async t => (await listening(t, () => undefined)).url,
  'that closes every connection': async t => (await listening(t, socket => socket.destroy())).url,
  'that talks no MQTT': async t =>
    (await listening(t, socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))).url,
  'whose name nobody knows': async () => 'mqtt://no-such-host.invalid:1883',
  'that is no URL': async () => 'nonsense',
}

for (const [what, start] of Object.entries(unreachable)) {
  test(`a peer outlet - to a peer ${what}, falls back`, async t => {
    const { outlet, detour } = outletTo(t, await start(t))
    await outlet.send(textOf('at once'))
    t.is(await outlet.settled, 'broker')
    await outlet.send(textOf('later'))
    t.deepEqual(detour.texts, ['at once', 'later'])
    await outlet.close()
    t.true(detour.closed)
  })

  test(`a peer outlet - to a peer ${what}, says so where there is no other way`, async t => {
    const { outlet, detour } = outletTo(t, await start(t), true)
    t.is(await rejection(outlet.send(textOf('at once'))), 'LINK_UNREACHABLE')
    t.is(await rejection(outlet.settled), 'LINK_UNREACHABLE')
    t.is(await rejection(outlet.send(textOf('later'))), 'LINK_UNREACHABLE')
    t.deepEqual(detour.texts, [])
  })
}

test('a peer outlet - waits for a peer that has answered once, though a later try takes too long', async t => {
  const answers = [Buffer.of(0x20, 2, 0, 5), undefined, Buffer.of(0x20, 2, 0, 0)]
  const { url, accepted } = await listening(t, socket => {
    const answer = answers[accepted() - 1]
    if (answer !== undefined) socket.once('data', () => socket.write(answer))
  })
  const { outlet } = outletTo(t, url, true)
  t.is(await outlet.settled, 'peer')
  t.is(accepted(), 3)
})

test('a peer outlet - goes over to a peer that can be reached only later', async t => {
  const port = await freePort()
  const { outlet, detour } = outletTo(t, `mqtt://127.0.0.1:${port}`)
  t.is(await outlet.settled, 'broker')
  const broker = await inboxBroker(t, port)
  const inbox = new Inbox()
  broker.open(TOPIC, KEY, inbox.handler)
  const sent = await sendUntilPeer(outlet, inbox)
  await outlet.send(textOf('last'))
  await inbox.hears('last')
  t.deepEqual([...detour.texts, ...inbox.texts], [...sent, 'last'])
})

test('a peer outlet - sends another way while its peer is gone, and straight when that is back', async t => {
  const port = await freePort()
  const inbox = new Inbox()
  const start = async (): Promise<InboxBroker> => {
    const broker = await inboxBroker(t, port)
    broker.open(TOPIC, KEY, inbox.handler)
    return broker
  }
  let broker = await start()
  const { outlet, detour } = outletTo(t, broker.url)
  const sent: string[] = []
  for (let round = 0; round < 3; round++) {
    await sendUntilPeer(outlet, inbox, sent)
    await broker.close()
    const before = detour.texts.length
    await inTurns(() => {
      sent.push(String(sent.length))
      outlet.send(textOf(sent.at(-1) ?? '')).catch(() => undefined)
      return detour.texts.length > before
    })
    broker = await start()
  }
  await sendUntilPeer(outlet, inbox, sent)
  const arrived = [...inbox.texts, ...detour.texts].map(Number).sort((a, b) => a - b)
  t.deepEqual(arrived, [...new Set(arrived)], 'nothing twice')
  // What was on its way when the peer went is lost: at most what was sent until the break was seen.
  t.true(arrived.length >= sent.length - 30, `${arrived.length} of ${sent.length} arrived`)
})

test('a peer outlet - goes back to a peer whose inbox opens only long after its restart', async t => {
  const port = await freePort()
  const inbox = new Inbox()
  const first = await inboxBroker(t, port)
  first.open(TOPIC, KEY, inbox.handler)
  const { outlet } = outletTo(t, first.url)
  await sendUntilPeer(outlet, inbox)
  await first.close()
  let refused = 0
  const busy = await startBroker({ port, access: { grant: () => void refused++ } })
  await inTurns(() => refused >= 2)
  await busy.close()
  const second = await inboxBroker(t, port)
  second.open(TOPIC, KEY, inbox.handler)
  await sendUntilPeer(outlet, inbox)
  t.pass()
})

test('a peer outlet - with no other way, fails while its peer is gone, and sends when that is back', async t => {
  const port = await freePort()
  const inbox = new Inbox()
  const first = await inboxBroker(t, port)
  first.open(TOPIC, KEY, inbox.handler)
  const { outlet, detour } = outletTo(t, first.url, true)
  t.is(await outlet.settled, 'peer')
  await sendUntilPeer(outlet, inbox)
  await first.close()
  let code: unknown
  await inTurns(() => {
    void rejection(outlet.send(textOf('gone'))).then(given => (code = given))
    return code === 'LINK_UNREACHABLE'
  })
  const second = await inboxBroker(t, port)
  second.open(TOPIC, KEY, inbox.handler)
  await sendUntilPeer(outlet, inbox)
  t.deepEqual(detour.texts, [])
})

test('a peer outlet - closed while it tries, leaves no connection and makes no more', async t => {
  const { url, sockets, accepted } = await listening(t, () => undefined)
  const { outlet, detour } = outletTo(t, url)
  await inTurns(() => accepted() > 0)
  await outlet.close()
  await outlet.close()
  t.is(await outlet.settled, 'broker')
  t.true(detour.closed)
  const tried = accepted()
  await inTurns(() => sockets.size === 0)
  const { outlet: other } = outletTo(t, url)
  await other.settled
  await other.close()
  const { outlet: third } = outletTo(t, url)
  await third.close()
  t.true(accepted() - tried <= 5, `${accepted() - tried} connections by the two that came after`)
})

test('a peer outlet - closed while its peer is about to let it in, does not stay connected', async t => {
  const { url, sockets, accepted } = await listening(t, () => undefined)
  const { outlet } = outletTo(t, url)
  await inTurns(() => accepted() > 0)
  const closed = outlet.close()
  for (const socket of sockets) socket.write(Buffer.of(0x20, 2, 0, 0))
  await closed
  await inTurns(() => sockets.size === 0)
  t.is(accepted(), 1)
})

test('a peer outlet - to a peer that has fallen silent, takes the other way, and the straight one when it answers', async t => {
  const broker = await inboxBroker(t)
  const line = await FaultyLine.open(broker.url)
  t.teardown(() => line.close())
  const inbox = new Inbox()
  broker.open(TOPIC, KEY, inbox.handler)
  const { outlet, detour } = outletTo(t, line.url)
  t.is(await outlet.settled, 'peer')
  await outlet.send(textOf('straight'))
  await inbox.hears('straight')
  line.become('silent')
  await inTurns(() => {
    outlet.send(textOf('around')).catch(() => undefined)
    return detour.texts.length > 0
  })
  t.is(outlet.way, 'broker')
  line.become('whole')
  await inTurns(() => outlet.way === 'peer')
  await outlet.send(textOf('straight again'))
  await inbox.hears('straight again')
})

test('a peer outlet - to a peer that is only held, waits for it', async t => {
  const broker = await inboxBroker(t)
  const inbox = new Inbox()
  const inlet = broker.open(TOPIC, KEY, inbox.handler)
  const { outlet, detour } = outletTo(t, broker.url)
  t.is(await outlet.settled, 'peer')
  await outlet.send(textOf('first'))
  await inbox.hears('first')
  inlet.hold()
  // For longer than an answer is waited for.
  for (const until = performance.now() + 2_500; performance.now() < until;) {
    await outlet.send(textOf('held'))
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  t.is(outlet.way, 'peer')
  t.deepEqual(detour.texts, [])
  inlet.release()
  await outlet.send(textOf('last'))
  await inbox.hears('last')
})
