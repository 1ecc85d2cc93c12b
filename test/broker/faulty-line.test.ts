import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { FaultyLine, Lines } from '../../broker/index.js'
import { inTurns } from '../support/actors.js'
import { portOf } from '../support/ports.js'

/** A server that keeps what it is sent, and a line to it. */
async function setting(t: ExecutionContext) {
  const heard: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('data', data => heard.push(data.toString())).on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const dial = (url: string) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined)
    t.teardown(() => socket.destroy())
    return socket
  }
  return { heard, sockets, dial, target: `mqtt://127.0.0.1:${portOf(server)}` }
}

test('a faulty line - lets everything through until something happens to it', async t => {
  const { heard, sockets, dial, target } = await setting(t)
  const line = await FaultyLine.open(target)
  t.teardown(() => line.close())
  const socket = dial(line.url)
  socket.write('there')
  await inTurns(() => heard.join('') === 'there')
  for (const far of sockets) far.write('back')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  t.is(answer.toString(), 'back')
})

test('a faulty line - that is cut breaks what is connected, at both ends, and refuses what comes', async t => {
  const { heard, sockets, dial, target } = await setting(t)
  const line = await FaultyLine.open(target)
  t.teardown(() => line.close())
  const socket = dial(line.url)
  socket.write('before')
  await inTurns(() => heard.length === 1)
  line.become('cut')
  await once(socket, 'close')
  await inTurns(() => [...sockets].every(far => far.readableEnded || far.destroyed))
  await once(dial(line.url), 'close')
  line.become('whole')
  dial(line.url).write('after')
  await inTurns(() => heard.at(-1) === 'after')
  t.deepEqual(heard, ['before', 'after'])
})

test('a faulty line - that is silent keeps what it is given, tells nobody, and gives it when it is whole', async t => {
  const { heard, dial, target } = await setting(t)
  const line = await FaultyLine.open(target)
  t.teardown(() => line.close())
  const old = dial(line.url)
  old.write('before')
  await inTurns(() => heard.length === 1)
  line.become('silent')
  const fresh = dial(line.url)
  await once(fresh, 'connect')
  old.write(' old')
  fresh.write(' new')
  await new Promise(resolve => setImmediate(resolve))
  t.deepEqual([heard.join(''), old.destroyed, fresh.destroyed], ['before', false, false])
  line.become('whole')
  await inTurns(() => heard.join('').includes('old') && heard.join('').includes('new'))
})

test('lines - one breaks for a while and is whole again, and the others are left alone', async t => {
  const one = await setting(t)
  const other = await setting(t)
  const lines = new Lines()
  t.teardown(() => lines.close())
  const broken = one.dial(await lines.through(one.target))
  const whole = other.dial(await lines.through(other.target))
  await Promise.all([once(broken, 'connect'), once(whole, 'connect')])
  await lines.break(one.target, 'cut', 50)
  await once(broken, 'close')
  t.false(whole.destroyed)
  await inTurns(() => {
    one.dial(one.target).write('x')
    return one.heard.length > 0
  })
})
