import test from 'ava'
import fc from 'fast-check'
import { generate, type Packet } from 'mqtt-packet'
import { SpareMemory } from '../../core/spare-memory.js'
import { HeaderGuard } from '../../broker/guard.js'
import { PublishReader, type TakenPublish } from '../../broker/publish-reader.js'

const CONNECT: Packet = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'a', clean: true }

const taken = fc.record({
  cmd: fc.constant('publish' as const),
  topic: fc.string({ minLength: 1, maxLength: 300, unit: 'grapheme' }),
  payload: fc.uint8Array({ maxLength: 40_000 }).map(bytes => Buffer.from(bytes)),
  qos: fc.constantFrom(0 as const, 1 as const),
  messageId: fc.integer({ min: 1, max: 65_535 }),
  retain: fc.boolean(),
  dup: fc.constant(false),
})
const others: fc.Arbitrary<Packet> = fc.oneof(
  fc.constant<Packet>({ cmd: 'pingreq' }),
  fc.constant<Packet>({ cmd: 'disconnect' }),
  fc.constant<Packet>({ cmd: 'subscribe', messageId: 7, subscriptions: [{ topic: 'a/#', qos: 1 }] }),
  taken.map(packet => ({ ...packet, qos: 2 as const })),
)

/** The bytes in pieces of these sizes, again and again. */
function pieces(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const cut: Buffer[] = []
  for (let at = 0; at < bytes.byteLength;) {
    const size = sizes[cut.length % sizes.length] ?? bytes.byteLength
    cut.push(bytes.subarray(at, at + size))
    at += size
  }
  return cut
}

function reading(memory = new SpareMemory()): {
  reader: PublishReader
  publishes: TakenPublish[]
  passed: Buffer[]
} {
  const passed: Buffer[] = []
  return { reader: new PublishReader(packet => passed.push(packet), memory), publishes: [], passed }
}

test('a publish reader - takes messages out however the stream is cut, and hands on the rest as it came', t => {
  const packets = fc.array(fc.oneof(taken, others), { maxLength: 12 })
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 70_000 })), {
    minLength: 1,
    maxLength: 8,
  })
  fc.assert(
    fc.property(packets, sizes, fc.nat({ max: 20 }), (packets, sizes, welcomeAfter) => {
      const { reader, publishes, passed } = reading()
      const stream = Buffer.concat([CONNECT, ...packets].map(packet => generate(packet)))
      for (const [i, piece] of pieces(stream, sizes).entries()) {
        if (i === welcomeAfter) reader.open(publish => publishes.push(publish))
        // What the socket reads next is written over what it read before.
        reader.accept(Buffer.from(piece))
      }
      reader.open(publish => publishes.push(publish))
      const isTaken = (packet: Packet) => packet.cmd === 'publish' && packet.qos < 2
      t.deepEqual(
        publishes.map(({ topic, payload, id }) => ({ topic, payload: Buffer.from(payload), id })),
        packets.flatMap(packet =>
          packet.cmd === 'publish' && isTaken(packet)
            ? [{ topic: packet.topic, payload: Buffer.from(packet.payload), id: idOf(packet) }]
            : [],
        ),
      )
      const rest = [CONNECT, ...packets.filter(packet => !isTaken(packet))]
      t.deepEqual(Buffer.concat(passed), Buffer.concat(rest.map(packet => generate(packet))))
    }),
    { numRuns: 80 },
  )
})

test('a publish reader - takes nothing before the client is welcome, and asks not to be given more', t => {
  const { reader, publishes, passed } = reading()
  t.false(reader.waits)
  const publish = generate({
    cmd: 'publish',
    topic: 'a',
    payload: 'early',
    qos: 0,
    dup: false,
    retain: false,
  })
  reader.accept(Buffer.concat([generate(CONNECT), publish]))
  t.true(reader.waits)
  t.is(passed.length, 1)
  reader.open(one => publishes.push(one))
  t.false(reader.waits)
  t.deepEqual(
    publishes.map(({ payload }) => Buffer.from(payload).toString()),
    ['early'],
  )
})

test('a publish reader - gives large payloads memory of their own', t => {
  const { reader, publishes } = reading()
  const payload = Buffer.alloc(5_000, 1)
  const packet = generate({ cmd: 'publish', topic: 'a', payload, qos: 0, dup: false, retain: false })
  reader.accept(generate(CONNECT))
  reader.open(one => publishes.push(one))
  reader.accept(Buffer.concat([packet, packet]))
  t.deepEqual(
    publishes.map(one => [one.payload.byteOffset, one.payload.buffer.byteLength]),
    [
      [0, 5_000],
      [0, 5_000],
    ],
  )
})

test('a publish reader - reads large payloads into memory of messages that have left', t => {
  const memory = new SpareMemory()
  const { reader, publishes } = reading(memory)
  reader.accept(generate(CONNECT))
  reader.open(one => publishes.push(one))
  const left = Array.from({ length: 3 }, () => new Uint8Array(70_000).fill(0xff).buffer)
  for (const one of left) memory.give(one)
  const sizes = [60_000, 70_000, 500, 30_000, 65_000]
  const payloads = sizes.map((size, i) => Buffer.alloc(size, i + 1))
  const packets = payloads.map(payload =>
    generate({ cmd: 'publish', topic: 'a', payload, qos: 0, dup: false, retain: false }),
  )
  for (const piece of pieces(Buffer.concat(packets), [7, 20_000])) reader.accept(piece)
  t.deepEqual(
    publishes.map(({ payload }) => Buffer.from(payload)),
    payloads,
  )
  t.deepEqual(
    publishes.map(({ owned }) => owned),
    [true, true, false, true, true],
  )
  t.deepEqual(
    publishes.map(({ payload }) => left.indexOf(payload.buffer as ArrayBuffer)),
    [0, 1, -1, 2, -1],
  )
})

for (const [what, hex] of [
  ['of no bytes', '3000'],
  ['without the end of its topic', '3003000561'],
  ['without room for its number', '320400020061'],
] as const) {
  test(`a publish reader - refuses a message ${what}`, t => {
    const { reader } = reading()
    reader.accept(generate(CONNECT))
    reader.open(() => t.fail())
    t.throws(() => reader.accept(Buffer.from(hex, 'hex')), { message: /its topic has no room/ })
  })
}

test('a publish reader - behind the guard, takes no more than came, whatever it is', t => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 }), chunks => {
      const { reader, publishes } = reading()
      const guard = new HeaderGuard(100_000)
      guard.inspect(generate(CONNECT))
      guard.admit()
      reader.accept(generate(CONNECT))
      reader.open(one => publishes.push(one))
      try {
        for (const chunk of chunks) {
          if (guard.inspect(chunk) !== undefined) break
          reader.accept(chunk)
        }
      } catch (error) {
        t.regex(String(error), /its topic has no room/)
      }
      const bytes = (all: readonly Uint8Array[]) => all.reduce((sum, { byteLength }) => sum + byteLength, 0)
      t.true(bytes(publishes.map(({ payload }) => payload)) <= bytes(chunks))
    }),
  )
})

function idOf({ qos, messageId }: { readonly qos: number; readonly messageId?: number | undefined }) {
  return qos === 1 ? messageId : undefined
}
