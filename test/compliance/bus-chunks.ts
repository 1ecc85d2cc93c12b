import { randomBytes } from 'node:crypto'
import { type Bus } from '../../core/bus.js'
import { Inbox, inboxOf, textOf } from '../support/bus.js'
import { behaviour, type BusForm, keep } from './bus-form.js'

const MIB = 2 ** 20
/** What chunks begin with: a payload that does too must not be taken for one. */
const MAGIC = Buffer.from('\u0000MRCHNK1', 'latin1')

const equal = (a: Uint8Array | undefined, b: Uint8Array) => a !== undefined && Buffer.from(a).equals(b)

/** Payloads that are larger than one message. */
export function chunks(form: BusForm): void {
  for (const qos of [0, 1] as const) {
    behaviour(
      form,
      `a large payload arrives whole at QoS ${qos}, in memory of its own`,
      async (t, setting) => {
        const maxMessageBytes = 65_536
        const [sender, reader] = [
          await setting.connect({ clientId: 'sender', maxMessageBytes }),
          await setting.connect({ clientId: 'reader', maxMessageBytes }),
        ]
        const seen: boolean[] = []
        const inbox = new Inbox()
        await reader.subscribe(
          'big',
          message => {
            inbox.handler(message)
            const { payload, owned } = message
            const { buffer } = payload
            if (!owned || !(buffer instanceof ArrayBuffer)) return
            seen.push(payload.byteLength === buffer.byteLength)
            // As a worker does: what it owns it gives to a thread.
            structuredClone(payload, { transfer: [buffer] })
          },
          { qos },
        )
        const payloads = [5 * MIB, maxMessageBytes + 1, 2 * maxMessageBytes].map(size => randomBytes(size))
        for (const payload of payloads) await sender.publish('big', payload, { qos })
        await inbox.holds(3)
        t.deepEqual(seen, [true, true, true])
        t.true(payloads.every((payload, i) => equal(inbox.messages[i]?.bytes, payload)))
      },
    )
  }

  behaviour(form, 'what several handlers see is owned by none of them', async (t, setting) => {
    const bus = await setting.connect({ clientId: 'both', maxMessageBytes: 1_000 })
    const inboxes = [await inboxOf(bus, 'big'), await inboxOf(bus, '#')]
    const payload = randomBytes(10_000)
    await bus.publish('big', payload)
    for (const inbox of inboxes) {
      await inbox.holds(1)
      t.false(inbox.messages[0]?.owned)
      t.true(equal(inbox.messages[0]?.bytes, payload))
    }
  })

  behaviour(form, 'large payloads of two senders on one topic are not mixed', async (t, setting) => {
    const options = { maxMessageBytes: 10_000 }
    const reader = await setting.connect({ clientId: 'reader', ...options })
    const senders = await Promise.all(
      ['one', 'two'].map(clientId => setting.connect({ clientId, ...options })),
    )
    const inbox = await inboxOf(reader, 'big')
    const payloads = senders.map(() => [1, 2, 3].map(() => randomBytes(MIB)))
    await Promise.all(
      senders.flatMap((bus, i) => payloads[i]?.map(payload => bus.publish('big', payload)) ?? []),
    )
    await inbox.holds(6)
    for (const own of payloads) {
      const places = own.map(payload => inbox.messages.findIndex(({ bytes }) => equal(bytes, payload)))
      t.true(places.every(place => place >= 0))
      t.deepEqual(
        places,
        places.toSorted((a, b) => a - b),
      )
    }
  })

  behaviour(form, 'nothing overtakes a large payload on its topic', async (t, setting) => {
    const [sender, reader] = [
      await setting.connect({ clientId: 'sender', maxMessageBytes: 5_000 }),
      await setting.connect({ clientId: 'reader' }),
    ]
    const inbox = await inboxOf(reader, 'x')
    const sizes = [MIB, 3, MIB / 2, 20_000, 1, 300_000, 0, 7_000, 2]
    await Promise.all(sizes.map(size => sender.publish('x', randomBytes(size))))
    await inbox.holds(sizes.length)
    t.deepEqual(
      inbox.messages.map(({ bytes }) => bytes.byteLength),
      sizes,
    )
  })

  behaviour(
    form,
    'a payload that looks like a chunk arrives as it is, and can be retained',
    async (t, setting) => {
      const bus = await setting.connect({ clientId: 'both', maxMessageBytes: 1_000 })
      const inbox = await inboxOf(bus, 'x')
      const payloads = [0, 10, 28, 100, 992, 2_000].map(size => Buffer.concat([MAGIC, randomBytes(size)]))
      for (const payload of payloads) await bus.publish('x', payload)
      await inbox.holds(payloads.length)
      t.true(payloads.every((payload, i) => equal(inbox.messages[i]?.bytes, payload)))
      const kept = Buffer.concat([MAGIC, textOf('kept')])
      await keep(setting, bus, 'kept', kept)
      const late = await inboxOf(bus, 'kept')
      await late.holds(1)
      t.true(late.messages[0]?.retained)
      t.true(equal(late.messages[0]?.bytes, kept))
    },
  )

  behaviour(form, 'a bus takes in what is larger than it sends itself', async (t, setting) => {
    const [sender, reader]: Bus[] = await Promise.all([
      setting.connect({ clientId: 'sender', maxMessageBytes: 60_000 }),
      setting.connect({ clientId: 'reader', maxMessageBytes: 1_000 }),
    ])
    if (!sender || !reader) return t.fail()
    const inbox = await inboxOf(reader, 'x')
    for (const size of [50_000, 200_000]) await sender.publish('x', new Uint8Array(size).fill(1))
    await inbox.holds(2)
    t.deepEqual(
      inbox.messages.map(({ bytes }) => bytes.byteLength),
      [50_000, 200_000],
    )
  })
}
