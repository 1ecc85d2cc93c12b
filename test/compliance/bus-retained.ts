import { inboxOf, reaches, textOf } from '../support/bus.js'
import { behaviour, type BusForm, failsWith, keep } from './bus-form.js'

const RETAIN = { qos: 1, retain: true } as const

/** Values that the broker keeps. */
export function retained(form: BusForm): void {
  behaviour(
    form,
    'a late subscriber gets the last value as retained, one who is there as live',
    async (t, setting) => {
      const [sender, early] = [
        await setting.connect({ clientId: 'sender' }),
        await setting.connect({ clientId: 'early' }),
      ]
      const live = await inboxOf(early, 'v/+')
      for (const text of ['old', 'new']) await sender.publish('v/x', textOf(text), RETAIN)
      await live.hears('new')
      t.deepEqual(
        live.messages.map(({ text, retained }) => [text, retained]),
        [
          ['old', false],
          ['new', false],
        ],
      )
      const late = await inboxOf(await setting.connect({ clientId: 'late' }), 'v/+')
      await late.holds(1)
      t.like(late.messages[0], { topic: 'v/x', text: 'new', retained: true })
    },
  )

  behaviour(form, 'only what is to be retained is, and an empty payload ends it', async (t, setting) => {
    const bus = await setting.connect({ clientId: 'both' })
    await keep(setting, bus, 'v/gone', textOf('value'))
    await bus.publish('v/live', textOf('value'), { qos: 1 })
    await keep(setting, bus, 'v/kept', textOf('value'))
    await bus.publish('v/kept', textOf('passing'), { qos: 1 })
    const watching = await inboxOf(bus, 'v/gone')
    await watching.holds(1)
    await bus.publish('v/gone', new Uint8Array(0), RETAIN)
    await watching.holds(2)
    t.like(watching.messages[1], { text: '', retained: false })
    const late = await inboxOf(await setting.connect({ clientId: 'late' }), 'v/#')
    await late.holds(1)
    await bus.publish('v/end', textOf('end'))
    await late.hears('end')
    t.deepEqual(late.texts, ['value', 'end'])
  })

  behaviour(
    form,
    'a value comes to each handler once, though others subscribe after it',
    async (t, setting) => {
      const bus = await setting.connect({ clientId: 'both' })
      await keep(setting, bus, 'v/kept', textOf('kept'))
      const first = await inboxOf(bus, 'v/kept')
      await first.holds(1)
      await keep(setting, bus, 'v/live', textOf('live'))
      const second = await inboxOf(bus, 'v/#')
      await second.holds(2)
      const third = await inboxOf(bus, 'v/kept')
      await third.holds(1)
      await bus.publish('v/kept', textOf('end'), RETAIN)
      for (const inbox of [first, second, third]) await inbox.hears('end')
      t.deepEqual(first.texts, ['kept', 'end'])
      t.deepEqual(second.texts.toSorted(), ['end', 'kept', 'live'])
      t.deepEqual(third.texts, ['kept', 'end'])
      t.true(third.messages[0]?.retained)
    },
  )

  behaviour(form, 'a value comes anew when its filter is subscribed anew', async (t, setting) => {
    const bus = await setting.connect({ clientId: 'both' })
    await keep(setting, bus, 'v', textOf('kept'))
    const inbox = await inboxOf(bus, 'unheard')
    for (const count of [1, 2]) {
      const subscription = await bus.subscribe('v', inbox.handler)
      await inbox.holds(count)
      await subscription.close()
    }
    t.deepEqual(
      inbox.messages.map(({ retained }) => retained),
      [true, true],
    )
  })

  behaviour(form, 'a value comes anew after each reconnection, once to each handler', async (t, setting) => {
    const [bus, sender] = [
      await setting.connect({ clientId: 'reader' }),
      await setting.connect({ clientId: 'sender' }),
    ]
    await keep(setting, sender, 'v', textOf('kept'))
    const inboxes = [await inboxOf(bus, 'v'), await inboxOf(bus, '+'), await inboxOf(bus, '#')]
    for (const inbox of inboxes) await inbox.holds(1)
    const down = reaches(bus, 'disconnected')
    await setting.cut('reader')
    await down
    await reaches(bus, 'connected')
    for (const inbox of inboxes) await inbox.holds(2)
    await sender.publish('v', textOf('end'))
    for (const inbox of inboxes) {
      await inbox.hears('end')
      t.deepEqual(
        inbox.messages.map(({ text, retained }) => [text, retained]),
        [
          ['kept', true],
          ['kept', true],
          ['end', false],
        ],
      )
    }
  })

  behaviour(
    form,
    'a retained payload above the limit is refused, one at the limit is kept',
    async (t, setting) => {
      const bus = await setting.connect({ clientId: 'both', maxMessageBytes: 1_000 })
      await failsWith(t, bus.publish('v', new Uint8Array(1_001), RETAIN), 'MESSAGE_TOO_LARGE')
      await keep(setting, bus, 'v', new Uint8Array(1_000).fill(7))
      const inbox = await inboxOf(bus, 'v')
      await inbox.holds(1)
      t.deepEqual(inbox.messages[0]?.bytes, new Uint8Array(1_000).fill(7))
      t.true(inbox.messages[0]?.retained)
    },
  )
}
