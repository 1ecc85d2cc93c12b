import test from 'ava'
import fc from 'fast-check'
import { generate, type Packet } from 'mqtt-packet'
import { HeaderGuard } from '../../broker/guard.js'

const KNOWN = 64 * 1024
const MAXIMUM = 200_000
const CONNECT = generate({
  cmd: 'connect',
  protocolId: 'MQTT',
  protocolVersion: 4,
  clientId: 'x',
  clean: true,
})

/** A guard of a client that has introduced itself. */
function admitted(maxPacketBytes = MAXIMUM): HeaderGuard {
  const guard = new HeaderGuard(maxPacketBytes)
  guard.inspect(CONNECT)
  guard.admit()
  return guard
}

/** The fixed header of a packet: its first byte, and how many bytes it says that follow. */
function header(first: number, length: number): Uint8Array {
  const bytes = [first]
  for (let rest = length; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...bytes, rest])
    bytes.push((rest % 128) | 128)
  }
}

function packet(first: number, length: number): Uint8Array {
  return Buffer.concat([header(first, length), Buffer.alloc(length, 0xff)])
}

/** The first objection to `bytes` in the pieces that end at `cuts`. */
function verdict(guard: HeaderGuard, bytes: Uint8Array, cuts: readonly number[] = []): string | undefined {
  let from = 0
  for (const cut of [...cuts, bytes.byteLength].sort((a, b) => a - b)) {
    const problem = guard.inspect(bytes.subarray(from, cut))
    if (problem !== undefined) return problem
    from = cut
  }
  return undefined
}

const sizes = fc.oneof(fc.constantFrom(0, 1, 127, 128, 16_383, 16_384, KNOWN), fc.nat({ max: 3_000 }))
const packets: fc.Arbitrary<Packet> = fc.oneof(
  fc.constant<Packet>({ cmd: 'pingreq' }),
  fc.constant<Packet>({ cmd: 'disconnect' }),
  fc.constant<Packet>({ cmd: 'subscribe', messageId: 7, subscriptions: [{ topic: 'a/+', qos: 1 }] }),
  fc
    .tuple(fc.constantFrom(0, 1), sizes, fc.integer({ min: 0, max: 255 }))
    .map(([qos, size, fill]): Packet => ({
      cmd: 'publish',
      topic: 'a/b',
      qos: qos === 0 ? 0 : 1,
      messageId: 3,
      payload: Buffer.alloc(size, fill),
      retain: false,
      dup: false,
    })),
)

test('the guard - lets valid packets pass, wherever the stream is cut', t => {
  const cuts = fc.array(fc.nat({ max: MAXIMUM }), { maxLength: 30, size: 'max' })
  const property = fc.property(
    fc.array(packets, { minLength: 1, maxLength: 8, size: 'max' }),
    cuts,
    (list, cuts) => {
      const bytes = Buffer.concat(list.map(each => generate(each)))
      const within = cuts.map(cut => cut % bytes.byteLength)
      t.is(verdict(admitted(), bytes, within), undefined)
    },
  )
  fc.assert(property, { numRuns: 200 })
})

test('the guard - objects to the same byte, whether packets come whole or byte by byte', t => {
  const lengths = fc.constantFrom(0, 1, 5, 127, 128, 300, 301, 20_000, 3_000_000, 268_435_455)
  const claims = fc
    .tuple(fc.integer({ min: 0, max: 255 }), lengths)
    .map(([first, length]) => (length <= 300 ? packet(first, length) : header(first, length)))
  const noise = fc.uint8Array({ maxLength: 12, size: 'max' })
  const streams = fc
    .array(fc.oneof(claims, noise), { maxLength: 6, size: 'max' })
    .map(parts => Buffer.concat(parts))
  const property = fc.property(streams, bytes => {
    const whole = verdict(admitted(300), bytes)
    const single = verdict(admitted(300), bytes, [...bytes.keys()])
    t.is(single, whole)
  })
  fc.assert(property, { numRuns: 500 })
})

test('the guard - refuses a CONNECT that declares 256 MB when it has seen nothing but the declaration', t => {
  const claim = header(0x10, 268_435_455)
  t.is(claim.byteLength, 5)
  const problem = verdict(new HeaderGuard(2 ** 40), claim)
  t.regex(problem ?? '', /limit is 65536/)
  t.regex(verdict(new HeaderGuard(2 ** 40), claim, [1, 2, 3, 4]) ?? '', /limit is 65536/)
})

test('the guard - takes a CONNECT of 64 KiB, and not one byte more, before the client is admitted', t => {
  t.is(verdict(new HeaderGuard(MAXIMUM), packet(0x10, KNOWN)), undefined)
  t.not(verdict(new HeaderGuard(MAXIMUM), header(0x10, KNOWN + 1)), undefined)
})

test('the guard - holds what follows the CONNECT to 64 KiB too, until the client is admitted', t => {
  const guard = new HeaderGuard(MAXIMUM)
  t.is(verdict(guard, CONNECT), undefined)
  t.not(verdict(guard, header(0x30, KNOWN + 1)), undefined)
})

test('the guard - takes packets of the maximum from an admitted client, and not one byte more', t => {
  const guard = admitted()
  t.is(verdict(guard, packet(0x30, MAXIMUM)), undefined)
  t.is(verdict(guard, packet(0x30, MAXIMUM)), undefined)
  t.regex(verdict(guard, header(0x30, MAXIMUM + 1)) ?? '', /200001 bytes or more, the limit is 200000/)
})

test('the guard - refuses a length of five bytes, even where it is small', t => {
  const long = Uint8Array.from([0x30, 0x80, 0x80, 0x80, 0x80])
  t.regex(verdict(admitted(), long) ?? '', /more than four bytes/)
  t.is(verdict(admitted(), Uint8Array.from([0x30, 0x80, 0x80, 0x80, 0x00])), undefined)
})

test('the guard - refuses a stream that begins with anything but a CONNECT', t => {
  for (let kind = 0; kind < 16; kind++) {
    const problem = verdict(new HeaderGuard(MAXIMUM), packet(kind << 4, 0))
    t.is(problem === undefined, kind === 1, `packet type ${kind}`)
  }
})

test('the guard - never throws, and sees no header where a body is', t => {
  const property = fc.property(fc.uint8Array({ maxLength: 400, size: 'max' }), bytes => {
    t.notThrows(() => new HeaderGuard(MAXIMUM).inspect(bytes))
    t.notThrows(() => admitted().inspect(bytes))
    t.is(verdict(admitted(400), Buffer.concat([header(0x30, bytes.byteLength), bytes])), undefined)
  })
  fc.assert(property, { numRuns: 300 })
})
