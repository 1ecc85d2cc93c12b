import test from 'ava'
import fc from 'fast-check'
import { CHUNK_HEADER_BYTES, Joiner, mustSplit, Splitter, takesSeveral } from '../../broker/chunking.js'

const TOPIC = 'data/a'
/** 16 bytes of content in each chunk. */
const SMALL = CHUNK_HEADER_BYTES + 16

const payloads = fc.uint8Array({ maxLength: 120, size: 'max' })

/** What a joiner gives for these messages, in order. */
function joined(joiner: Joiner, messages: Iterable<Uint8Array>, topic = TOPIC): Uint8Array[] {
  return [...messages].flatMap(message => {
    const result = joiner.accept(topic, message)
    return result.state === 'whole' ? [result.payload] : []
  })
}

function isOneOf(payload: Uint8Array, sent: readonly Uint8Array[]): boolean {
  return sent.some(each => Buffer.compare(each, payload) === 0)
}

/** A first chunk as a hostile sender would make it: any header, any content. */
function forged(
  fields: { message?: number; index?: number; size?: number; total?: number },
  content: number,
): Buffer {
  const [valid = Buffer.alloc(0)] = new Splitter().split(Buffer.alloc(content), CHUNK_HEADER_BYTES + content)
  const { message = 0, index = 0, size = content, total = content } = fields
  valid.writeUInt32BE(message, 16)
  valid.writeUInt32BE(index, 20)
  valid.writeUInt32BE(size, 24)
  valid.writeDoubleBE(total, 28)
  return valid
}

test('chunking - joins what it splits, for any payload and any size of message', t => {
  const sizes = fc.integer({ min: CHUNK_HEADER_BYTES + 1, max: CHUNK_HEADER_BYTES + 200 })
  const property = fc.property(
    fc.uint8Array({ maxLength: 600, size: 'max' }),
    sizes,
    (payload, maxMessageBytes) => {
      const chunks = [...new Splitter().split(payload, maxMessageBytes)]
      t.true(chunks.every(({ byteLength }) => byteLength <= maxMessageBytes))
      const [whole, ...more] = joined(new Joiner(), chunks)
      t.deepEqual(whole, payload)
      t.deepEqual(more, [])
      t.is(whole?.buffer.byteLength, payload.byteLength)
    },
  )
  fc.assert(property, { numRuns: 300 })
})

test('chunking - carries a payload of no bytes, of one chunk exactly, and one byte more', t => {
  for (const bytes of [0, 1, 15, 16, 17, 32, 33]) {
    const payload = Buffer.alloc(bytes, 7)
    const chunks = [...new Splitter().split(payload, SMALL)]
    t.is(chunks.length, Math.max(1, Math.ceil(bytes / 16)))
    t.deepEqual(joined(new Joiner(), chunks), [new Uint8Array(payload)])
  }
})

test('chunking - leaves other messages alone, and splits whatever would be taken for a chunk', t => {
  const [chunk = Buffer.alloc(0)] = new Splitter().split(Buffer.of(1), SMALL)
  t.deepEqual(new Joiner().accept(TOPIC, Buffer.from('plain')), { state: 'plain' })
  t.false(mustSplit(Buffer.alloc(SMALL), SMALL))
  t.true(mustSplit(Buffer.alloc(SMALL + 1), SMALL))
  t.true(mustSplit(chunk, SMALL))
  t.deepEqual(joined(new Joiner(), new Splitter().split(chunk, SMALL)), [new Uint8Array(chunk)])
})

test('chunking - gives no wrong payload when chunks are lost, doubled or out of order, and later ones arrive', t => {
  const faults = fc.array(fc.tuple(fc.constantFrom('lose', 'double', 'swap'), fc.nat()), {
    maxLength: 6,
    size: 'max',
  })
  const property = fc.property(
    fc.array(payloads, { maxLength: 5, size: 'max' }),
    payloads,
    faults,
    (sent, last, faults) => {
      const splitter = new Splitter()
      const chunks = sent.flatMap(payload => [...splitter.split(payload, SMALL)])
      for (const [fault, at] of faults) damage(chunks, fault, at % Math.max(1, chunks.length))
      const joiner = new Joiner()
      t.true(joined(joiner, chunks).every(payload => isOneOf(payload, sent)))
      t.deepEqual(joined(joiner, splitter.split(last, SMALL)), [last])
    },
  )
  fc.assert(property, { numRuns: 500 })
})

function damage(chunks: Buffer[], fault: 'lose' | 'double' | 'swap', at: number): void {
  const chunk = chunks[at]
  if (chunk === undefined) return
  if (fault === 'lose') chunks.splice(at, 1)
  else if (fault === 'double') chunks.splice(at, 0, chunk)
  else chunks.push(...chunks.splice(at, 1))
}

test('chunking - takes chunks that are sent again after a broken connection, from wherever they start', t => {
  const property = fc.property(
    fc.uint8Array({ minLength: 1, maxLength: 200, size: 'max' }),
    fc.nat(),
    fc.nat(),
    (payload, a, b) => {
      const chunks = [...new Splitter().split(payload, SMALL)]
      const reached = 1 + (a % chunks.length)
      const again = b % (reached + 1)
      const results = joined(new Joiner(), [...chunks.slice(0, reached), ...chunks.slice(again)])
      t.true(results.length >= 1)
      t.true(results.every(result => Buffer.compare(result, payload) === 0))
    },
  )
  fc.assert(property, { numRuns: 200 })
})

test('chunking - keeps the payloads of several senders and topics apart, however they interleave', t => {
  const streams = fc.array(fc.tuple(fc.constantFrom('data/a', 'data/b'), payloads), {
    minLength: 2,
    maxLength: 6,
  })
  const property = fc.property(streams, fc.infiniteStream(fc.nat()), (streams, choices) => {
    const open = streams.map(([topic, payload]) => ({
      topic,
      payload,
      chunks: [...new Splitter().split(payload, SMALL)],
    }))
    const joiner = new Joiner()
    let arrived = 0
    while (open.length > 0) {
      const at = choices.next().value % open.length
      const stream = open[at]
      const chunk = stream?.chunks.shift()
      if (stream === undefined || chunk === undefined) open.splice(at, 1)
      else {
        const [whole] = joined(joiner, [chunk], stream.topic)
        if (whole !== undefined) t.deepEqual(whole, stream.payload)
        arrived += whole === undefined ? 0 : 1
      }
    }
    t.is(arrived, streams.length)
  })
  fc.assert(property, { numRuns: 200 })
})

test('chunking - does not join chunks of one message that came on two topics', t => {
  const [first = Buffer.of(), second = Buffer.of()] = new Splitter().split(Buffer.alloc(20), SMALL)
  const joiner = new Joiner()
  t.deepEqual(joined(joiner, [first], 'data/a'), [])
  t.deepEqual(joined(joiner, [second], 'data/b'), [])
  t.is(joined(joiner, [second], 'data/a').length, 1)
})

test('chunking - never holds more incomplete payloads or bytes than its limits, and gives up the oldest', t => {
  const limits = { maxBytes: 200, maxPartials: 5, maxAgeMs: 1_000 }
  const sizes = fc.array(fc.integer({ min: 17, max: 260 }), { minLength: 1, maxLength: 20, size: 'max' })
  const property = fc.property(sizes, sizes => {
    const joiner = new Joiner(limits, () => 0)
    const rests = sizes.map(size => {
      const [first = Buffer.of(), ...rest] = new Splitter().split(Buffer.alloc(size), SMALL)
      joiner.accept(TOPIC, first)
      return rest
    })
    const kept = rests.map(rest => joined(joiner, rest).length > 0)
    t.deepEqual(kept, expectedKept(sizes, limits))
  })
  fc.assert(property, { numRuns: 300 })
})

/** Which of payloads that were begun in this order are still held: the newest that fit. */
function expectedKept(
  sizes: readonly number[],
  { maxBytes, maxPartials }: { maxBytes: number; maxPartials: number },
): boolean[] {
  const kept: number[] = []
  for (const [i, size] of sizes.entries()) {
    if (size > maxBytes) continue
    const bytes = () => kept.reduce((sum, each) => sum + (sizes[each] ?? 0), size)
    while (bytes() > maxBytes || kept.length >= maxPartials) kept.shift()
    kept.push(i)
  }
  return sizes.map((_, i) => kept.includes(i))
}

test('chunking - gives memory only to a first chunk whose header can come true', t => {
  const limits = { maxBytes: 1_000, maxPartials: 4, maxAgeMs: 1_000 }
  const hostile = [
    forged({ total: 2 ** 52 }, 16),
    forged({ total: 1_001 }, 16),
    forged({ total: Number.NaN }, 16),
    forged({ total: Infinity }, 16),
    forged({ total: -1 }, 16),
    forged({ total: 20.5 }, 16),
    forged({ size: 0, total: 900 }, 0),
    forged({ size: 2 ** 32 - 1, total: 900 }, 16),
    forged({ size: 15, total: 900 }, 16),
    forged({ total: 15 }, 16),
  ]
  const joiner = new Joiner(limits)
  const [first = Buffer.of(), ...rest] = new Splitter().split(Buffer.alloc(990), SMALL)
  joiner.accept(TOPIC, first)
  for (const chunk of hostile) t.deepEqual(joiner.accept(TOPIC, chunk), { state: 'partial' })
  t.is(joined(joiner, rest).length, 1, 'none of them took the place of a payload under way')
})

test('chunking - refuses a later chunk of another length than the first one said', t => {
  const [first = Buffer.of(), second = Buffer.of(), third = Buffer.of()] = new Splitter().split(
    Buffer.alloc(40),
    SMALL,
  )
  for (const wrong of [
    second.subarray(0, -1),
    Buffer.concat([second, Buffer.of(0)]),
    second.subarray(0, CHUNK_HEADER_BYTES),
  ]) {
    t.deepEqual(joined(new Joiner(), [first, wrong, third]), [])
  }
  t.deepEqual(joined(new Joiner(), [first, second, Buffer.concat([third, Buffer.of(0)])]), [])
})

test('chunking - gives up a payload to which nothing was added for the age limit, but not a slow one', t => {
  let now = 0
  const joiner = new Joiner({ maxBytes: 1_000, maxPartials: 4, maxAgeMs: 100 }, () => now)
  const stuck = [...new Splitter().split(Buffer.alloc(90, 1), SMALL)]
  const slow = [...new Splitter().split(Buffer.alloc(90, 2), SMALL)]
  joiner.accept(TOPIC, stuck.shift() ?? Buffer.of())
  const arrived: Uint8Array[] = []
  for (const chunk of slow) {
    arrived.push(...joined(joiner, [chunk]))
    now += 90
    joined(joiner, new Splitter().split(Buffer.of(3), SMALL))
  }
  t.deepEqual(arrived, [new Uint8Array(90).fill(2)])
  t.deepEqual(joined(joiner, stuck), [])
})

test('chunking - forgets what is incomplete when it is cleared, and has all its memory again', t => {
  const joiner = new Joiner({ maxBytes: 100, maxPartials: 1, maxAgeMs: 1_000 })
  const [first = Buffer.of(), ...rest] = new Splitter().split(Buffer.alloc(90), SMALL)
  joiner.accept(TOPIC, first)
  joiner.clear()
  t.deepEqual(joined(joiner, rest), [])
  t.is(joined(joiner, new Splitter().split(Buffer.alloc(100), SMALL)).length, 1)
})

test('chunking - never throws on bytes of chance, with and without a chunk before them', t => {
  const [chunk = Buffer.of()] = new Splitter().split(Buffer.alloc(16), SMALL)
  const property = fc.property(
    fc.uint8Array({ maxLength: 80, size: 'max' }),
    fc.nat({ max: 44 }),
    (noise, keep) => {
      const joiner = new Joiner({ maxBytes: 10_000, maxPartials: 4, maxAgeMs: 1_000 })
      t.notThrows(() => joiner.accept(TOPIC, noise))
      t.notThrows(() => joiner.accept(TOPIC, Buffer.concat([chunk.subarray(0, keep), noise])))
      t.is(joined(joiner, new Splitter().split(noise, SMALL)).length, 1)
    },
  )
  fc.assert(property, { numRuns: 500 })
})

test('chunking - says what leaves in several pieces, which a broker could not retain', t => {
  const [chunk = Buffer.alloc(0)] = new Splitter().split(new Uint8Array(10), 100)
  t.deepEqual(
    [100, 101].map(size => takesSeveral(new Uint8Array(size), 100)),
    [false, true],
  )
  t.deepEqual(
    [0, -1].map(spare => takesSeveral(chunk, chunk.byteLength + CHUNK_HEADER_BYTES + spare)),
    [false, true],
  )
})
