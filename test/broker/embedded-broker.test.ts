import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { generate } from 'mqtt-packet'
import { filter, firstValueFrom, lastValueFrom, take, toArray } from 'rxjs'
import { type BrokerOptions, startBroker } from '../../broker/embedded-broker.js'
import { type ErrorCode, MillraceError } from '../../core/errors.js'
import { brokerFor, clientsOf } from '../support/brokers.js'
import { bytesHeld } from '../support/memory.js'
import { isPublish, RawClient } from '../support/raw-client.js'

const USERS = [{ name: 'ada', password: 'correct horse' }]
const MIB = 2 ** 20

async function refuses(t: ExecutionContext, options: BrokerOptions, code: ErrorCode): Promise<MillraceError> {
  const error = await t.throwsAsync(startBroker(options), { instanceOf: MillraceError })
  t.is(error.code, code)
  return error
}

test('the broker - says which port is taken, and takes it once it is free', async t => {
  const holder = createServer()
  const port = await new Promise<number>(resolve => {
    holder.listen(0, '127.0.0.1', () => {
      const address = holder.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
  const error = await refuses(t, { port }, 'PORT_TAKEN')
  t.regex(error.message, new RegExp(`127.0.0.1:${port}`))
  await new Promise(resolve => holder.close(resolve))
  const broker = await brokerFor(t, {}, { port })
  t.is(broker.url, `mqtt://127.0.0.1:${port}`)
})

test('the broker - listens beyond loopback only where there are users', async t => {
  const lan = Object.values(networkInterfaces())
    .flatMap(addresses => addresses ?? [])
    .filter(({ internal, scopeid }) => !internal && (scopeid ?? 0) === 0)
    .map(({ address }) => address)
  for (const host of [
    '0.0.0.0',
    '::',
    '',
    '::ffff:0.0.0.0',
    '127.0.0.1.example.org',
    '127.1.2.999',
    ...lan,
  ]) {
    const error = await refuses(t, { host, port: 0 }, 'BROKER_EXPOSED')
    t.true(error.message.includes(host))
    t.regex(error.remedy, /users/)
  }
  const broker = await brokerFor(t, {}, { host: '0.0.0.0', users: USERS })
  t.regex(broker.url, /^mqtt:\/\/127\.0\.0\.1:\d+$/)
  await t.throwsAsync(RawClient.join(broker.port, 'stranger'), { message: /refused stranger: 5/ })
})

test('the broker - says that an address is none of this machine', async t => {
  const error = await refuses(t, { host: '203.0.113.7', port: 0, users: USERS }, 'OPTION_INVALID')
  t.regex(error.message, /203\.0\.113\.7/)
})

test('the broker - names a limit that it does not know, or that is out of range', async t => {
  const unknown = { maxConnection: 3 }
  await refuses(t, { port: 0, limits: unknown }, 'OPTION_UNKNOWN')
  const error = await refuses(t, { port: 0, limits: { maxConnections: 0 } }, 'OPTION_INVALID')
  t.regex(error.message, /maxConnections/)
})

test('the broker - takes a user with the right password, and nobody else', async t => {
  const broker = await brokerFor(t, {}, { users: [...USERS, { name: 'bob', password: '' }] })
  const attempts: [string | undefined, string | undefined, number][] = [
    ['ada', 'correct horse', 0],
    ['bob', '', 0],
    [undefined, undefined, 5],
    ['ada', undefined, 5],
    ['ada', '', 5],
    ['ada', 'correct horses', 5],
    ['Ada', 'correct horse', 5],
    ['bob', 'correct horse', 5],
    ['eve', 'correct horse', 5],
  ]
  for (const [username, password, code] of attempts) {
    const client = await RawClient.open(broker.port)
    const credentials = {
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password: Buffer.from(password) }),
    }
    t.is(await client.introduce('someone', credentials), code, `${username} with '${password}'`)
    if (code === 0) await client.leave()
    await client.closed
  }
  t.like(broker.metrics(), { connectionsRefused: 7, clientsGivenUp: 0 })
})

test('the broker - lets a program in its own process in, with users or without', async t => {
  for (const users of [[], USERS]) {
    const broker = await brokerFor(t, {}, { users })
    const bus = await broker.connect({ clientId: 'inside' })
    const arrived = new Promise<string>(resolve => {
      void bus.subscribe('a/b', ({ payload }) => resolve(Buffer.from(payload).toString()))
      void bus.subscribe('ready', () => undefined).then(() => bus.publish('a/b', Buffer.from('hello')))
    })
    t.is(await arrived, 'hello')
    t.is(broker.metrics().connections, 1)
    await bus.close()
  }
})

test('the broker - keeps its own topics to itself', async t => {
  const broker = await brokerFor(t)
  const client = await clientsOf(t, broker)('client')
  client.publish('$SYS/lies', 'x')
  await client.closed
  t.pass()
})

test('the broker - drops its clients when it is closed, frees the port, and does so once', async t => {
  const broker = await startBroker({ port: 0 })
  const client = await RawClient.join(broker.port, 'client')
  const stranger = await RawClient.open(broker.port)
  const bus = await broker.connect({ clientId: 'inside', reconnect: false })
  const noticed = lastValueFrom(bus.state$)
  const [first, second] = [broker.close(), broker.close()]
  t.is(first, second)
  await Promise.all([first, client.closed, stranger.closed])
  t.is(await noticed, 'closed')
  t.is(broker.metrics().connections, 0)
  await t.throwsAsync(RawClient.open(broker.port), { code: 'ECONNREFUSED' })
  await t.throwsAsync(broker.connect({ clientId: 'late' }), { code: 'BROKER_UNREACHABLE' })
  await bus.close()
  const again = await brokerFor(t, {}, { port: broker.port })
  t.is(again.port, broker.port)
})

test.serial(
  'the broker - closes the connection of a stranger who declares 256 MB, and keeps nothing of it',
  async t => {
    const broker = await brokerFor(t, { connectTimeoutMs: 100_000 })
    const before = bytesHeld()
    const stranger = await RawClient.open(broker.port)
    stranger.write(Uint8Array.of(0x10, 0xff, 0xff, 0xff, 0x7f))
    const block = Buffer.alloc(MIB, 1)
    for (let sent = 0; sent < 64; sent++) stranger.write(block)
    await stranger.closed
    t.true(bytesHeld() - before < 8 * MIB)
    t.is(broker.metrics().connectionsRefused, 1)
  },
)

test('the broker - lets nobody send more than 64 KiB before it knows who that is', async t => {
  const broker = await brokerFor(t, {}, { users: USERS })
  const stranger = await RawClient.open(broker.port)
  const password = Buffer.alloc(65_000)
  stranger.send({
    cmd: 'connect',
    clientId: 'x'.repeat(600),
    username: 'ada',
    password,
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
  })
  await stranger.closed
  t.is(broker.metrics().connectionsRefused, 1)
})

test('the broker - takes a large packet as soon as its CONNACK is there', async t => {
  const broker = await brokerFor(t)
  const join = clientsOf(t, broker)
  const watcher = await join('watcher')
  await watcher.subscribe('large')
  const sleeper = await join('sleeper', { clean: false })
  await sleeper.subscribe('queued', 1)
  await sleeper.leave()
  const last = watcher.next('publish')
  for (let i = 0; i < 500; i++) watcher.publish('queued', 'x', { qos: 1 })
  watcher.publish('large', 'that was all', { qos: 1 })
  await last
  const arrived = watcher.message('large')
  const awake = await join('sleeper', { clean: false })
  awake.publish('large', Buffer.alloc(MIB, 5))
  t.is((await arrived).payload.length, MIB)
})

test('the broker - ends a connection whose packet is larger than the maximum, and takes one of the maximum', async t => {
  const maxPacketBytes = 200_000
  const broker = await brokerFor(t, { maxPacketBytes })
  const join = clientsOf(t, broker)
  const watcher = await join('watcher')
  await watcher.subscribe('a')
  const envelope = generate({
    cmd: 'publish',
    topic: 'a',
    payload: '',
    qos: 0,
    retain: false,
    dup: false,
  }).length
  const largest = maxPacketBytes - (envelope - 2)
  const sender = await join('sender')
  const arrived = watcher.message('a')
  sender.publish('a', Buffer.alloc(largest))
  t.is((await arrived).payload.length, largest)
  sender.publish('a', Buffer.alloc(largest + 1))
  await sender.closed
  t.is(broker.metrics().clientsGivenUp, 1)
})

test('the broker - has a place for so many connections, and again when one has gone', async t => {
  const broker = await brokerFor(t, { maxConnections: 3 })
  const join = clientsOf(t, broker)
  const watcher = await join('watcher')
  await watcher.subscribe('$SYS/+/disconnect/clients')
  const [second, third] = [await join('second'), await RawClient.open(broker.port)]
  const fourth = await RawClient.open(broker.port)
  await fourth.closed
  t.like(broker.metrics(), { connections: 3, connectionsRefused: 1 })
  const gone = watcher.next('publish')
  await second.leave()
  await gone
  await join('fifth')
  t.is(broker.metrics().connections, 3)
  await third.leave()
})

test('the broker - gives a stranger so much time to introduce himself, even one who dribbles', async t => {
  const broker = await brokerFor(t, { connectTimeoutMs: 50 })
  const [silent, dribbling] = [await RawClient.open(broker.port), await RawClient.open(broker.port)]
  dribbling.write(Uint8Array.of(0x10, 0x20, 0x00))
  await Promise.all([silent.closed, dribbling.closed])
  t.is(broker.metrics().connectionsRefused, 2)
})

test('the broker - delivers every message of a burst, whatever their kinds, and those of one kind in order', async t => {
  const broker = await brokerFor(t)
  const join = clientsOf(t, broker)
  const [sender, receiver] = [await join('sender'), await join('receiver')]
  await receiver.subscribe('+', 1)
  const kinds = fc.record({ qos: fc.constantFrom<0 | 1>(0, 1), retain: fc.boolean() })
  const bursts = fc.array(kinds, { minLength: 1, maxLength: 30, size: 'max' })
  for (const burst of fc.sample(bursts, { numRuns: 30, seed: 5 })) {
    const arrived = firstValueFrom(receiver.packets$.pipe(filter(isPublish), take(burst.length), toArray()))
    sender.socket.cork()
    for (const [i, how] of burst.entries()) sender.publish(`qos-${how.qos}`, String(i), how)
    sender.socket.uncork()
    for (const qos of [0, 1]) {
      const order = (await arrived).filter(({ topic }) => topic === `qos-${qos}`)
      const sent = [...burst.keys()].filter(i => burst[i]?.qos === qos)
      t.deepEqual(
        order.map(({ payload }) => Number(payload)),
        sent,
      )
    }
  }
})

test('the broker - serves its clients whatever others send', async t => {
  const broker = await brokerFor(t)
  const join = clientsOf(t, broker)
  const [sender, receiver] = [await join('sender'), await join('receiver')]
  await receiver.subscribe('healthy')
  const noise = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 300, size: 'max' }),
    fc
      .tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 100, size: 'max' }))
      .map(damagedPacket),
  )
  const seed = 7
  for (const [i, bytes] of fc.sample(noise, { numRuns: 200, seed }).entries()) {
    const introduced = i % 2 === 0
    const rude = await RawClient.open(broker.port)
    if (introduced) await rude.introduce(`rude-${i}`)
    rude.write(bytes)
    const arrived = receiver.message('healthy')
    sender.publish('healthy', String(i))
    t.is((await arrived).payload.toString(), String(i))
    rude.socket.end()
  }
  t.false(sender.socket.destroyed)
})

/** A packet whose length is right and whose content is not. */
function damagedPacket([first, body]: [number, Uint8Array]): Buffer {
  return Buffer.concat([Uint8Array.of(first, body.byteLength), body])
}
