import { inboxOf, reaches, statesOf, textOf } from '../support/bus.js'
import { behaviour, type BusForm, failsWith } from './bus-form.js'

const WILL = { topic: 'will/of-it', payload: textOf('gone') }

/** Connections that break, and brokers that go away. */
export function breaks(form: BusForm): void {
  wills(form)
  cuts(form)
  outages(form)
}

function wills(form: BusForm): void {
  behaviour(form, 'a will is published when the connection is cut, and not retained', async (t, setting) => {
    const watcher = await setting.connect({ clientId: 'watcher' })
    const inbox = await inboxOf(watcher, 'will/#', { qos: 1 })
    await setting.connect({ clientId: 'mortal', will: WILL, reconnect: false })
    await setting.cut('mortal')
    await inbox.holds(1)
    t.like(inbox.messages[0], { topic: 'will/of-it', text: 'gone', retained: false })
    const late = await inboxOf(await setting.connect({ clientId: 'late' }), '#')
    await watcher.publish('end', textOf('end'))
    await late.hears('end')
    t.deepEqual(late.texts, ['end'])
  })

  behaviour(form, 'a will is not published when the connection is closed', async (t, { connect }) => {
    const watcher = await connect({ clientId: 'watcher' })
    const inbox = await inboxOf(watcher, '#')
    const mortal = await connect({ clientId: 'mortal', will: WILL })
    await mortal.close()
    // The broker has dealt with the old connection before it takes a new one under its name.
    await connect({ clientId: 'mortal' })
    await watcher.publish('end', textOf('end'))
    await inbox.hears('end')
    t.deepEqual(inbox.texts, ['end'])
  })

  behaviour(
    form,
    'a newer connection evicts the older one of its client id, whose will is published',
    async (t, setting) => {
      const watcher = await setting.connect({ clientId: 'watcher' })
      const inbox = await inboxOf(watcher, '#')
      const older = await setting.connect({ clientId: 'twin', will: WILL, reconnect: false })
      const newer = await setting.connect({ clientId: 'twin', reconnect: false })
      await reaches(older, 'closed')
      await inbox.hears('gone')
      await failsWith(t, older.publish('x', textOf('x')), 'BUS_CLOSED')
      await newer.publish('x', textOf('newer'))
      await inbox.hears('newer')
    },
  )
}

function cuts(form: BusForm): void {
  behaviour(form, 'after a cut it comes back by itself, with its subscriptions', async (t, setting) => {
    const bus = await setting.connect({ clientId: 'reader' })
    const sender = await setting.connect({ clientId: 'sender' })
    const states = statesOf(bus)
    const inboxes = [await inboxOf(bus, 'x'), await inboxOf(bus, 'x', { qos: 1 }), await inboxOf(bus, '+')]
    const closed = await inboxOf(bus, 'unheard')
    await (await bus.subscribe('x', closed.handler)).close()
    const down = reaches(bus, 'disconnected')
    await setting.cut('reader')
    await down
    await reaches(bus, 'connected')
    await sender.publish('x', textOf('after'))
    for (const inbox of inboxes) {
      await inbox.hears('after')
      t.deepEqual(inbox.texts, ['after'])
    }
    t.deepEqual(closed.texts, [])
    t.deepEqual(states, ['connected', 'disconnected', 'connected'])
  })

  behaviour(
    form,
    'while it is down QoS 0 is refused and QoS 1 is kept for later, in order',
    async (t, setting) => {
      const reader = await setting.connect({ clientId: 'reader' })
      const inbox = await inboxOf(reader, 'x', { qos: 1 })
      const sender = await setting.connect({ clientId: 'sender' })
      const done = new Promise<void>((resolve, reject) => {
        const subscription = sender.state$.subscribe(state => {
          if (state !== 'disconnected') return
          subscription.unsubscribe()
          const refused = Promise.all([
            failsWith(t, sender.publish('x', textOf('q0')), 'BUS_DISCONNECTED'),
            failsWith(
              t,
              sender.subscribe('y', () => undefined),
              'BUS_DISCONNECTED',
            ),
          ])
          const kept = ['one', 'two', 'three'].map(text => sender.publish('x', textOf(text), { qos: 1 }))
          Promise.all([refused, ...kept]).then(() => resolve(), reject)
        })
      })
      await setting.cut('sender')
      await done
      await inbox.hears('three')
      t.deepEqual([...new Set(inbox.texts)], ['one', 'two', 'three'])
    },
  )

  behaviour(form, 'a bus that does not reconnect is closed by a cut', async (t, setting) => {
    const bus = await setting.connect({ clientId: 'leader', reconnect: false })
    const states = statesOf(bus)
    await setting.cut('leader')
    await reaches(bus, 'closed')
    for (const qos of [0, 1] as const)
      await failsWith(t, bus.publish('x', textOf('x'), { qos }), 'BUS_CLOSED')
    await t.notThrowsAsync(bus.close())
    t.deepEqual(states, ['connected', 'disconnected', 'closed'])
  })
}

function outages(form: BusForm): void {
  behaviour(
    form,
    'what waits for a broker that is away ends in time, when called off, and on closing',
    async (t, setting) => {
      const bus = await setting.connect({ clientId: 'both' })
      const down = reaches(bus, 'disconnected')
      await setting.stop()
      await down
      await failsWith(t, bus.publish('x', textOf('x'), { qos: 1, timeoutMs: 20 }), 'PUBLISH_TIMEOUT')
      const given = new AbortController()
      const calledOff = bus.publish('x', textOf('x'), { qos: 1, signal: given.signal })
      const reason = new Error('not any more')
      given.abort(reason)
      t.is(await t.throwsAsync(calledOff), reason)
      const waiting = failsWith(t, bus.publish('x', textOf('x'), { qos: 1 }), 'BUS_CLOSED')
      await bus.close()
      await waiting
      await failsWith(t, setting.connect({ clientId: 'late' }), 'BROKER_UNREACHABLE')
    },
  )

  behaviour(form, 'after a restart of the broker it is as before', async (t, setting) => {
    if (setting.start === undefined) {
      t.log('not tested here: a client in the process of its broker ends with it')
      return void t.pass()
    }
    const [bus, sender] = [
      await setting.connect({ clientId: 'reader' }),
      await setting.connect({ clientId: 'sender' }),
    ]
    const states = statesOf(bus)
    const inbox = await inboxOf(bus, 'x/#', { qos: 1 })
    await sender.publish('x', textOf('before'), { qos: 1 })
    await inbox.hears('before')
    const down = Promise.all([reaches(bus, 'disconnected'), reaches(sender, 'disconnected')])
    await setting.stop()
    await down
    const kept = sender.publish('x', textOf('meanwhile'), { qos: 1 })
    await setting.start()
    await Promise.all([reaches(bus, 'connected'), reaches(sender, 'connected'), kept])
    await sender.publish('x', textOf('after'), { qos: 1 })
    await inbox.hears('after')
    t.deepEqual(
      inbox.texts.filter(text => text !== 'meanwhile'),
      ['before', 'after'],
    )
    t.deepEqual(states, ['connected', 'disconnected', 'connected'])
  })
}
