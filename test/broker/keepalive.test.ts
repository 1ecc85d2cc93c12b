import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { generate, type Packet, parser } from 'mqtt-packet'
import { firstValueFrom, filter, map, Subject, take, toArray } from 'rxjs'
import { brokerLimits, connectBus, PATIENT_KEEPALIVE_S } from '../../broker/index.js'
import { PeerOutlet } from '../../broker/peer-outlet.js'
import { localRuntime } from '../../config/hosts.js'
import { Cleanup } from '../../core/cleanup.js'
import { type Outlet } from '../../core/link.js'
import { TOPICS } from '../support/actors.js'
import { peerAddress } from '../support/inboxes.js'

/** A broker that welcomes everybody, and leaves everything else to the test. */
async function silentBroker(t: ExecutionContext) {
  const packets$ = new Subject<{ readonly packet: Packet; readonly socket: Socket }>()
  const server = createServer(socket => {
    const incoming = parser()
    incoming.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connect')
        socket.write(generate({ cmd: 'connack', returnCode: 0, sessionPresent: false }))
      packets$.next({ packet, socket })
    })
    socket.on('data', bytes => incoming.parse(bytes)).on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  return {
    url: `mqtt://127.0.0.1:${port}`,
    connects$: packets$.pipe(
      map(({ packet }) => packet),
      filter(packet => packet.cmd === 'connect'),
    ),
    pings$: packets$.pipe(filter(({ packet }) => packet.cmd === 'pingreq')),
  }
}

test('keepalive - a connection lives while messages come before the answer to a ping', async t => {
  const { url, pings$ } = await silentBroker(t)
  pings$.subscribe(({ socket }) =>
    socket.write(generate({ cmd: 'publish', topic: 'a', payload: 'x', qos: 0, dup: false, retain: false })),
  )
  const pings = firstValueFrom(pings$.pipe(take(3), toArray()))
  const bus = await connectBus(url, { clientId: 'c', keepaliveS: 1 })
  t.teardown(() => bus.close())
  const [first, ...others] = await pings
  t.true(others.every(({ socket }) => socket === first?.socket))
})

test('keepalive - a broker whose answers are late hears from the client as often as it was told', async t => {
  const keepaliveS = 2
  const { url, pings$ } = await silentBroker(t)
  const lateness = monitorEventLoopDelay()
  lateness.enable()
  const times: number[] = []
  pings$.subscribe(({ socket }) => {
    times.push(performance.now())
    const say = (packet: Packet) => socket.write(generate(packet))
    void setTimeout(500, undefined).then(() =>
      say({ cmd: 'publish', topic: 'a', payload: 'x', qos: 0, dup: false, retain: false }),
    )
    void setTimeout(1_500, undefined).then(() => say({ cmd: 'pingresp' }))
  })
  const pings = firstValueFrom(pings$.pipe(take(3), toArray()))
  const bus = await connectBus(url, { clientId: 'c', keepaliveS })
  t.teardown(() => bus.close())
  await pings
  lateness.disable()
  const lateS = lateness.max / 1e9
  for (const [i, at] of times.slice(1).entries()) {
    const seconds = (at - (times[i] ?? 0)) / 1_000
    // What the protocol allows [MQTT-3.1.2-24], on a machine that is in time.
    t.true(seconds <= 1.5 * keepaliveS + lateS, `${seconds} s, and timers were up to ${lateS} s late`)
  }
})

test('keepalive - a connection on which nothing answers a ping is given up', async t => {
  const { url, pings$ } = await silentBroker(t)
  const bus = await connectBus(url, { clientId: 'c', keepaliveS: 1, reconnect: false })
  t.teardown(() => bus.close())
  const gone = firstValueFrom(bus.state$.pipe(filter(state => state === 'closed')))
  await firstValueFrom(pings$)
  t.is(await gone, 'closed')
})

/** The other way, which is not taken. */
const NOWHERE: Outlet = {
  settled: Promise.resolve('broker'),
  way: 'broker',
  send: () => Promise.resolve(),
  close: () => Promise.resolve(),
}

test('keepalive - whoever sends to a process that sleeps half a minute waits until it wakes', async t => {
  t.true(PATIENT_KEEPALIVE_S >= 60)
  t.true(brokerLimits.stalledMs.default >= 1_500 * PATIENT_KEEPALIVE_S, 'the broker does not give up before')
  const { url, connects$ } = await silentBroker(t)
  const fromPeer = firstValueFrom(connects$)
  const outlet = new PeerOutlet(peerAddress('a/inbox', url), NOWHERE, { sendTimeoutMs: 5_000 })
  t.is((await fromPeer).keepalive, PATIENT_KEEPALIVE_S)
  await outlet.close()
  const fromRuntime = firstValueFrom(connects$)
  const cleanup = new Cleanup()
  const open = (wish: { clientId: string }) => connectBus(url, wish)
  await localRuntime(
    { id: 'w1', open, topics: TOPICS, sendTimeoutMs: 5_000, onTrouble: () => undefined },
    cleanup,
  )
  t.is((await fromRuntime).keepalive, PATIENT_KEEPALIVE_S)
  await cleanup.run()
})
