import { type Bus } from '../../core/bus.js'
import { inboxOf, statesOf, textOf } from '../support/bus.js'
import { behaviour, type BusForm, failsWith } from './bus-form.js'

/** Publishes 0, 1, … as texts, at most `ahead` at once. */
async function count(bus: Bus, topic: string, to: number, qos: 0 | 1, ahead = 100): Promise<void> {
  for (let i = 0; i < to; i += ahead) {
    const some = Array.from({ length: Math.min(ahead, to - i) }, (_, k) => i + k)
    await Promise.all(some.map(n => bus.publish(topic, textOf(String(n)), { qos })))
  }
}

const numbers = (to: number) => Array.from({ length: to }, (_, i) => String(i))

/** What passes between publishers and subscribers whose connections hold. */
export function messages(form: BusForm): void {
  order(form)
  filters(form)
  subscriptions(form)
  refusals(form)
}

function order(form: BusForm): void {
  for (const qos of [0, 1] as const) {
    behaviour(form, `keeps the order of each publisher and topic at QoS ${qos}`, async (t, { connect }) => {
      const [one, two, reader] = await Promise.all(
        ['one', 'two', 'reader'].map(clientId => connect({ clientId })),
      )
      if (!one || !two || !reader) return t.fail()
      const inbox = await inboxOf(reader, 'n/+/+', { qos })
      const senders = [one, two].flatMap((bus, i) =>
        ['x', 'y'].map(topic => ({ bus, topic: `n/${i}/${topic}` })),
      )
      await Promise.all(senders.map(({ bus, topic }) => count(bus, topic, 1_500, qos)))
      await inbox.holds(6_000)
      for (const { topic } of senders) {
        const texts = inbox.messages.filter(message => message.topic === topic).map(({ text }) => text)
        t.deepEqual(texts, numbers(1_500))
      }
    })
  }

  behaviour(form, 'a publisher that does not wait keeps its order too', async (t, { connect }) => {
    const bus = await connect({ clientId: 'both' })
    const inbox = await inboxOf(bus, 'n')
    await count(bus, 'n', 3_000, 0, 3_000)
    await inbox.holds(3_000)
    t.deepEqual(inbox.texts, numbers(3_000))
  })

  behaviour(
    form,
    'what one client has too much to hand over is refused, not queued',
    async (t, { connect }) => {
      const bus = await connect({ clientId: 'flood' })
      const sent = Array.from({ length: 10_001 }, () => bus.publish('n', textOf('x'), { qos: 1 }))
      await failsWith(t, sent.pop() ?? Promise.resolve(), 'PUBLISH_TIMEOUT')
      await Promise.all(sent)
      await t.notThrowsAsync(bus.publish('n', textOf('x'), { qos: 1 }))
    },
  )

  behaviour(
    form,
    'a message arrives after the publish that sent it, and unchanged',
    async (t, { connect }) => {
      const bus = await connect({ clientId: 'both' })
      const inbox = await inboxOf(bus, 'here')
      const payload = Uint8Array.from({ length: 256 }, (_, i) => i)
      const sent = bus.publish('here', payload.subarray(1))
      t.is(inbox.messages.length, 0)
      await sent
      await inbox.holds(1)
      t.deepEqual(inbox.messages[0]?.bytes, payload.slice(1))
      t.false(inbox.messages[0]?.retained)
    },
  )

  behaviour(form, 'an empty payload arrives', async (t, { connect }) => {
    const bus = await connect({ clientId: 'both' })
    const inbox = await inboxOf(bus, 'empty')
    await bus.publish('empty', new Uint8Array(0))
    await bus.publish('empty', textOf('end'))
    await inbox.hears('end')
    t.deepEqual(inbox.texts, ['', 'end'])
  })
}

function filters(form: BusForm): void {
  const topics = ['a', 'a/b', 'a/b/c', '/a', 'a/', 'b/b', 'aa/b', 'a//c']
  const rows: [string, string[]][] = [
    ['a/+', ['a/b', 'a/']],
    ['+/b', ['a/b', 'b/b', 'aa/b']],
    ['a/#', ['a', 'a/b', 'a/b/c', 'a/', 'a//c']],
    ['+', ['a']],
    ['+/+', ['a/b', '/a', 'a/', 'b/b', 'aa/b']],
    ['a/+/c', ['a/b/c', 'a//c']],
    ['#', topics],
    ['a/b', ['a/b']],
  ]
  behaviour(form, 'each filter gets the topics that it stands for and no others', async (t, { connect }) => {
    for (const [filter, expected] of rows) {
      const bus = await connect({ clientId: 'both' })
      const inbox = await inboxOf(bus, filter)
      for (const topic of topics) await bus.publish(topic, textOf(topic))
      await inboxOf(bus, 'end')
      await inbox.holds(expected.length)
      const end = await inboxOf(bus, 'at/the/end')
      await bus.publish('at/the/end', textOf('end'))
      await end.hears('end')
      t.deepEqual(
        inbox.texts.filter(text => text !== 'end'),
        expected,
        filter,
      )
      await bus.close()
    }
  })

  behaviour(form, 'a handler runs once for a message, however many filters match', async (t, { connect }) => {
    const [bus, sender] = [await connect({ clientId: 'both' }), await connect({ clientId: 'sender' })]
    const inboxes = [
      await inboxOf(bus, 'a/b', { qos: 0 }),
      await inboxOf(bus, 'a/+', { qos: 1 }),
      await inboxOf(bus, '#', { qos: 0 }),
      await inboxOf(bus, 'a/b', { qos: 1 }),
    ]
    for (const qos of [0, 1] as const) await sender.publish('a/b', textOf(`q${qos}`), { qos })
    await sender.publish('a/b', textOf('end'), { qos: 1 })
    for (const inbox of inboxes) {
      await inbox.hears('end')
      t.deepEqual(inbox.texts, ['q0', 'q1', 'end'])
    }
  })

  behaviour(
    form,
    "the broker's own topics match no filter that begins with a wildcard",
    async (t, setting) => {
      const bus = await setting.connect({ clientId: 'both' })
      const all = await inboxOf(bus, '#')
      const first = await inboxOf(bus, '+/#')
      const own = await inboxOf(bus, '$SYS/#')
      await setting.announce()
      await own.holds(1)
      await bus.publish('end', textOf('end'))
      for (const inbox of [all, first]) {
        await inbox.hears('end')
        t.deepEqual(inbox.texts, ['end'])
      }
    },
  )
}

function subscriptions(form: BusForm): void {
  behaviour(
    form,
    'a handler that is closed hears nothing more, others with its filter do',
    async (t, { connect }) => {
      const bus = await connect({ clientId: 'both' })
      const kept = await inboxOf(bus, 'x')
      const other = await inboxOf(bus, 'x/#')
      const gone = await inboxOf(bus, 'unheard')
      const subscription = await bus.subscribe('x', gone.handler)
      await bus.publish('x', textOf('one'))
      await gone.holds(1)
      await subscription.close()
      await bus.publish('x', textOf('two'))
      await kept.hears('two')
      await other.hears('two')
      t.deepEqual(gone.texts, ['one'])
      await t.notThrowsAsync(subscription.close())
      await bus.publish('x', textOf('three'))
      await kept.hears('three')
    },
  )

  behaviour(form, 'a filter whose last handler is closed can be subscribed again', async (t, { connect }) => {
    const bus = await connect({ clientId: 'both' })
    const witness = await inboxOf(await connect({ clientId: 'witness' }), 'x')
    const inbox = await inboxOf(bus, 'unheard')
    const subscription = await bus.subscribe('x', inbox.handler)
    await subscription.close()
    await bus.publish('x', textOf('between'))
    await witness.hears('between')
    await bus.subscribe('x', inbox.handler)
    await bus.publish('x', textOf('after'))
    await inbox.hears('after')
    t.deepEqual(inbox.texts, ['after'])
  })

  behaviour(form, 'a handler that throws takes nothing from the others', async (t, { connect }) => {
    const bus = await connect({ clientId: 'both' })
    await bus.subscribe('x', () => {
      throw new Error('a fault of the program')
    })
    const inbox = await inboxOf(bus, 'x')
    for (const text of ['one', 'two']) await bus.publish('x', textOf(text))
    await inbox.holds(2)
    t.deepEqual(inbox.texts, ['one', 'two'])
  })

  behaviour(form, 'a handler may publish and subscribe', async (t, { connect }) => {
    const bus = await connect({ clientId: 'both' })
    const answers = await inboxOf(bus, 'answer')
    await bus.subscribe('question', () => {
      void bus.subscribe('later', () => undefined).then(() => bus.publish('answer', textOf('after')))
      void bus.publish('answer', textOf('at once'))
    })
    await bus.publish('question', textOf('?'))
    await answers.holds(2)
    t.deepEqual(answers.texts, ['at once', 'after'])
  })
}

function refusals(form: BusForm): void {
  behaviour(form, 'refuses topics and filters that are none', async (t, { connect }) => {
    const bus = await connect({ clientId: 'both' })
    for (const topic of ['', 'a/+', '#', 'a\0', '$SYS/a', 'x'.repeat(65_536), 'a/'.repeat(100)])
      await failsWith(t, bus.publish(topic, textOf('x')), 'TOPIC_INVALID')
    for (const filter of ['', 'a+', 'a/#/b', '#a', 'a\0', 'x'.repeat(65_536)])
      await failsWith(
        t,
        bus.subscribe(filter, () => undefined),
        'TOPIC_INVALID',
      )
    await t.notThrowsAsync(bus.publish('sound', textOf('x'), { qos: 1 }))
  })

  behaviour(form, 'does not begin to publish what was called off', async (t, { connect }) => {
    const bus = await connect({ clientId: 'both' })
    const inbox = await inboxOf(bus, 'x')
    const reason = new Error('not any more')
    const error = await t.throwsAsync(
      bus.publish('x', textOf('never'), { signal: AbortSignal.abort(reason) }),
    )
    t.is(error, reason)
    await bus.publish('x', textOf('end'), { signal: new AbortController().signal })
    await inbox.hears('end')
    t.deepEqual(inbox.texts, ['end'])
  })

  behaviour(form, 'a closed bus says so, to all who ask and watch', async (t, { connect }) => {
    const bus = await connect({ clientId: 'both' })
    const states = statesOf(bus)
    const subscription = await bus.subscribe('x', () => undefined)
    const closing = bus.close()
    await failsWith(t, bus.publish('x', textOf('x')), 'BUS_CLOSED')
    await Promise.all([closing, bus.close()])
    await bus.close()
    for (const qos of [0, 1] as const)
      await failsWith(t, bus.publish('x', textOf('x'), { qos }), 'BUS_CLOSED')
    await failsWith(
      t,
      bus.subscribe('x', () => undefined),
      'BUS_CLOSED',
    )
    await t.notThrowsAsync(subscription.close())
    t.deepEqual(states, ['connected', 'closed'])
    const late: string[] = []
    await new Promise<void>(complete => bus.state$.subscribe({ next: state => late.push(state), complete }))
    t.deepEqual(late, ['closed'])
  })

  behaviour(form, 'what was published before closing arrives', async (t, { connect }) => {
    const [sender, reader] = [await connect({ clientId: 'sender' }), await connect({ clientId: 'reader' })]
    const inbox = await inboxOf(reader, 'x')
    const sent = [0, 1].map(qos => sender.publish('x', textOf(`q${qos}`), { qos: qos === 1 ? 1 : 0 }))
    await sender.close()
    await Promise.all(sent)
    await inbox.holds(2)
    t.deepEqual(inbox.texts, ['q0', 'q1'])
  })

  behaviour(form, 'tells its client id and its limit', async (t, { connect }) => {
    const bus = await connect({ clientId: 'its-name', maxMessageBytes: 1_000 })
    t.is(bus.clientId, 'its-name')
    t.is(bus.maxMessageBytes, 1_000)
    t.is((await connect({ clientId: 'other' })).maxMessageBytes, 65_536)
  })
}
