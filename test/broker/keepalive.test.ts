import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { generate, type Packet, parser } from 'mqtt-packet'
import { firstValueFrom, filter, Subject, take, toArray } from 'rxjs'
import { connectBus } from '../../broker/index.js'

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
  for (const [i, at] of times.slice(1).entries()) {
    const seconds = (at - (times[i] ?? 0)) / 1_000
    // What the protocol allows [MQTT-3.1.2-24].
    t.true(seconds <= 1.5 * keepaliveS, `${seconds} s`)
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
