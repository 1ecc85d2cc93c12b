import { randomBytes } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import { CHUNK_HEADER_BYTES, Joiner, mustSplit, Splitter, takesSeveral } from '../../broker/chunking.js'

const chunksOf = (payload: Uint8Array, size: number, splitter = new Splitter()) => [
  ...splitter.split(payload, size),
]

/** The payloads that come out when these messages go in. */
function joined(joiner: Joiner, messages: readonly Uint8Array[], topic = 't'): Buffer[] {
  return messages.flatMap(message => {
    const result = joiner.accept(topic, message)
    return result.state === 'whole' ? [Buffer.from(result.payload)] : []
  })
}

test('chunks - join to what was split, at any size', t => {
  const joiner = new Joiner()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.integer({ min: 64, max: 700 }), (payload, size) => {
      const chunks = chunksOf(payload, size)
      t.true(chunks.every(({ byteLength }) => byteLength <= size))
      t.deepEqual(joined(joiner, chunks), [Buffer.from(payload)])
    }),
    { numRuns: 300 },
  )
})

test('chunks - of many payloads join though they arrive mixed, in the order of each', t => {
  const order = fc.array(fc.nat({ max: 3 }), { minLength: 100, maxLength: 100 })
  fc.assert(
    fc.property(order, order => {
      const payloads = [300, 1_000, 50, 2_000].map(size => randomBytes(size))
      const queues = payloads.map(payload => chunksOf(payload, 100))
      const mixed = [...order, ...[0, 1, 2, 3].flatMap(i => Array.from({ length: 60 }, () => i))]
      const joiner = new Joiner()
      const whole = joined(
        joiner,
        mixed.flatMap(i => queues[i]?.shift() ?? []),
      )
      t.deepEqual(
        whole.toSorted((a, b) => a.compare(b)),
        payloads.toSorted((a, b) => a.compare(b)),
      )
    }),
    { numRuns: 50 },
  )
})

test('chunks - one that comes again is passed over, as long as the payload is not whole', t => {
  const payload = randomBytes(1_000)
  const chunks = chunksOf(payload, 136)
  const again = chunks.flatMap((chunk, i) => (i < 9 ? [chunk, ...chunks.slice(0, i + 1)] : [chunk]))
  t.deepEqual(joined(new Joiner(), again), [payload])
})

test('chunks - a payload of which one is missing, cut or longer is given up, the next one is not', t => {
  const splitter = new Splitter()
  const chunks = chunksOf(randomBytes(500), 136, splitter)
  const next = randomBytes(300)
  const spoilt = [
    chunks.toSpliced(2, 1),
    chunks.with(1, Buffer.from(chunks[1]?.subarray(0, 100) ?? [])),
    chunks.with(1, Buffer.concat([chunks[1] ?? Buffer.alloc(0), Buffer.of(0)])),
    chunks.slice(1),
  ]
  for (const messages of spoilt) {
    t.deepEqual(joined(new Joiner(), [...messages, ...chunksOf(next, 136, splitter)]), [next])
  }
})

test('chunks - on two topics, or after a break, do not belong together', t => {
  const [first, ...rest] = chunksOf(randomBytes(500), 136)
  const joiner = new Joiner()
  t.deepEqual(joined(joiner, first === undefined ? [] : [first], 'one'), [])
  t.deepEqual(joined(joiner, rest, 'two'), [])
  joiner.clear()
  t.deepEqual(joined(joiner, rest, 'one'), [])
})

test('chunks - any bytes behind the magic are taken without harm', t => {
  const joiner = new Joiner({ maxBytes: 10_000, maxPartials: 4, maxAgeMs: 1_000 })
  const [sample = Buffer.alloc(0)] = chunksOf(new Uint8Array(100), 200)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 40 }), (bytes, keep) => {
      const message = Buffer.concat([sample.subarray(0, 8 + keep), bytes])
      const result = joiner.accept('t', message)
      t.not(result.state, 'plain')
      if (result.state === 'whole') t.true(result.payload.byteLength <= bytes.byteLength + 136)
    }),
    { numRuns: 500 },
  )
})

test('chunks - memory for what is incomplete is bounded, the oldest goes first', t => {
  const splitter = new Splitter()
  const payloads = [1, 2, 3].map(() => randomBytes(400))
  const chunks = payloads.map(payload => chunksOf(payload, 136, splitter))
  const interleaved = [...chunks.flatMap(([first]) => first ?? []), ...chunks.flatMap(([, ...rest]) => rest)]
  const byBytes = new Joiner({ maxBytes: 1_000, maxPartials: 10, maxAgeMs: 1_000 })
  t.deepEqual(joined(byBytes, interleaved), payloads.slice(1))
  const byCount = new Joiner({ maxBytes: 10_000, maxPartials: 2, maxAgeMs: 1_000 })
  t.deepEqual(joined(byCount, interleaved), payloads.slice(1))
  const small = new Joiner({ maxBytes: 399, maxPartials: 10, maxAgeMs: 1_000 })
  t.deepEqual(joined(small, interleaved), [])
})

test('chunks - what is incomplete for too long is given up', t => {
  let now = 0
  const joiner = new Joiner({ maxBytes: 10_000, maxPartials: 10, maxAgeMs: 1_000 }, () => now)
  const splitter = new Splitter()
  const [first = Buffer.alloc(0), ...rest] = chunksOf(randomBytes(400), 136, splitter)
  joiner.accept('t', first)
  now = 1_001
  const other = randomBytes(200)
  t.deepEqual(joined(joiner, [...chunksOf(other, 136, splitter), ...rest]), [other])
})

test('chunks - a payload is split when it is larger than a message or looks like a chunk', t => {
  const [chunk = Buffer.alloc(0)] = chunksOf(new Uint8Array(10), 100)
  t.deepEqual([mustSplit(new Uint8Array(100), 100), takesSeveral(new Uint8Array(100), 100)], [false, false])
  t.deepEqual([mustSplit(new Uint8Array(101), 100), takesSeveral(new Uint8Array(101), 100)], [true, true])
  t.deepEqual([mustSplit(chunk, 100), takesSeveral(chunk, 100)], [true, false])
  t.true(takesSeveral(chunk, chunk.byteLength + CHUNK_HEADER_BYTES - 1))
  t.false(takesSeveral(chunk, chunk.byteLength + CHUNK_HEADER_BYTES))
})
