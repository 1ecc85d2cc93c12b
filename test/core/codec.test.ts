import test from 'ava'
import fc from 'fast-check'
import { compressSync } from 'lz4-napi'
import { Packr, pack } from 'msgpackr'
import { decodeEnvelope, decodeHeader, encodeEnvelope } from '../../core/codec/index.js'
import { SpareMemory } from '../../core/spare-memory.js'
import { type Tensors } from '../../core/tensor.js'
import { testCodec } from '../compliance/codec.js'
import { codeOf } from '../support/errors.js'
import { headerValue, sealed, sealedTensors } from '../support/sealed.js'
import { HEADER } from '../support/tensors.js'

testCodec({ name: 'raw', encode: envelope => encodeEnvelope(envelope) })
testCodec({ name: 'lz4', encode: envelope => encodeEnvelope(envelope, { lz4: true }) })
testCodec({ name: 'memory', encode: envelope => encodeEnvelope(envelope, { memory: usedMemory() }) })

const FLAT: Tensors = { x: { dtype: 'float32', dims: [1000], data: new Float32Array(1000).fill(2) } }

/** Of messages that have left. */
function usedMemory(): SpareMemory {
  const memory = new SpareMemory()
  for (const kib of [16, 64, 256]) memory.give(new Uint8Array(kib * 1_024).fill(0xff).buffer)
  return memory
}

function refusesAll(
  t: { is(a: unknown, b: unknown, message?: string): void },
  messages: Record<string, Uint8Array>,
) {
  for (const [what, message] of Object.entries(messages)) {
    t.is(
      codeOf(() => decodeEnvelope(message)),
      'ENVELOPE_INVALID',
      what,
    )
  }
}

test('codec - a decoded tensor is a view into the message, not a copy', t => {
  const message = encodeEnvelope({
    header: HEADER,
    tensors: { odd: { dtype: 'uint8', dims: [1], data: Uint8Array.of(9) }, ...FLAT },
  })
  for (const value of Object.values(decodeEnvelope(message).tensors)) {
    t.true(ArrayBuffer.isView(value.data) && value.data.buffer === message.buffer)
  }
})

test('codec - a message in memory of another one is the same, with nothing of that', t => {
  const memory = usedMemory()
  for (const elements of [4_000, 20_000, 20_001, 60_000]) {
    const odd = new Uint8Array(elements).fill(3)
    const tensors: Tensors = { odd: { dtype: 'uint8', dims: [elements], data: odd }, ...FLAT }
    const message = encodeEnvelope({ header: HEADER, tensors }, { memory })
    t.true(elements === 4_000 || message.buffer.byteLength > message.byteLength)
    t.deepEqual(Buffer.from(message), Buffer.from(encodeEnvelope({ header: HEADER, tensors })))
    memory.give(message.buffer)
  }
})

test('codec - a tensor of a message at an odd address is in memory of its own, and right', t => {
  const message = encodeEnvelope({ header: HEADER, tensors: FLAT })
  const shifted = new Uint8Array(message.byteLength + 1)
  shifted.set(message, 1)
  const { data } = decodeEnvelope(shifted.subarray(1)).tensors['x'] ?? {}
  t.deepEqual(data, FLAT['x']?.data)
  t.true(data instanceof Float32Array && data.buffer !== shifted.buffer)
})

test('codec - LZ4 makes what folds smaller and leaves the rest as it is', t => {
  const noise = Uint8Array.from({ length: 64 }, (_, i) => (i * 167 + 13) % 256)
  const tensors: Tensors = { noise: { dtype: 'uint8', dims: [64], data: noise } }
  const [rawFlat, rawNoise] = [FLAT, tensors].map(
    tensors => encodeEnvelope({ header: HEADER, tensors }).byteLength,
  )
  const folded = encodeEnvelope({ header: HEADER, tensors: FLAT }, { lz4: true })
  t.true(folded.byteLength < (rawFlat ?? 0) / 4)
  const kept = encodeEnvelope({ header: HEADER, tensors }, { lz4: true })
  t.true(kept.byteLength === rawNoise)
  const decoded = decodeEnvelope(kept).tensors['noise']?.data
  t.true(decoded instanceof Uint8Array && decoded.buffer === kept.buffer)
})

test('codec - the header is read without the tensors', t => {
  const message = encodeEnvelope({ header: HEADER, tensors: FLAT })
  message[message.byteLength - 1] = 1
  t.deepEqual(decodeHeader(message), HEADER)
  t.is(
    codeOf(() => decodeEnvelope(message)),
    'ENVELOPE_CORRUPT',
  )
})

test('codec - refuses random bytes', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), bytes => {
      t.is(
        codeOf(() => decodeEnvelope(bytes)),
        'ENVELOPE_INVALID',
      )
      t.is(
        codeOf(() => decodeHeader(bytes)),
        'ENVELOPE_INVALID',
      )
    }),
    { numRuns: 300 },
  )
})

test('codec - refuses a random header under right checksums', t => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.anything().map(value => new Packr().pack(value)),
      ),
      header => {
        t.is(
          codeOf(() => decodeEnvelope(sealed(header))),
          'ENVELOPE_INVALID',
        )
      },
    ),
    { numRuns: 500 },
  )
})

test('codec - takes or refuses a sound header with any byte changed, under right checksums, and never breaks', t => {
  const tensors = [['x', 'float32', [4], 'raw', 0, 16]]
  const header = pack(headerValue(tensors))
  for (let at = 0; at < header.byteLength; at++) {
    for (let byte = 0; byte < 256; byte++) {
      const changed = Uint8Array.from(header)
      changed[at] = byte
      const code = codeOf(() => decodeEnvelope(sealed(changed, new Uint8Array(16))))
      if (code !== undefined && code !== 'ENVELOPE_INVALID') t.fail(`byte ${at} = ${byte}: ${String(code)}`)
    }
  }
  t.is(
    codeOf(() => decodeEnvelope(sealed(header, new Uint8Array(16)))),
    undefined,
  )
})

test('codec - refuses dims that are no sizes, or that make more than there is', t => {
  const dims: Record<string, unknown[]> = {
    'a product beyond all doubles': Array.from({ length: 40 }, () => Number.MAX_SAFE_INTEGER),
    'a product that is 0 modulo 2^32': [65536, 65536],
    'a product that a double rounds': [94906267, 94906267],
    terabytes: [1e12],
    NaN: [NaN],
    Infinity: [Infinity],
    'a negative': [-4, -1],
    'a fraction': [0.5, 8],
    'a text': ['4'],
    'too many': Array.from({ length: 65 }, () => 1),
    null: [null],
    'too few elements': [3],
    'too many elements': [5],
  }
  const message = (dtype: string, dims: unknown) =>
    sealedTensors([['x', dtype, dims, 'raw', 0, 16]], new Uint8Array(16))
  t.is(
    codeOf(() => decodeEnvelope(message('float32', [4]))),
    undefined,
  )
  for (const dtype of ['float32', 'string']) {
    refusesAll(
      t,
      Object.fromEntries(Object.entries(dims).map(([what, dims]) => [what, message(dtype, dims)])),
    )
  }
})

test('codec - refuses a tensor that is not where it should be', t => {
  const entry = (name: string, offset: unknown, length: unknown = 8) => [
    name,
    'uint8',
    [8],
    'raw',
    offset,
    length,
  ]
  const at = (...entries: unknown[][]) => sealedTensors(entries, new Uint8Array(128))
  t.is(
    codeOf(() => decodeEnvelope(at(entry('a', 0), entry('b', 64)))),
    undefined,
  )
  refusesAll(t, {
    'one on the other': at(entry('a', 0), entry('b', 0), entry('c', 64)),
    'one into the other': at(entry('a', 0), entry('b', 4), entry('c', 64)),
    'beyond the message': at(entry('a', 0), entry('b', 128)),
    'far beyond the message': at(entry('a', 0), entry('b', 2 ** 40)),
    'longer than the message': at(entry('a', 0), entry('b', 64, 2 ** 40)),
    'a negative offset': at(entry('a', 0), entry('b', -64)),
    'a fractional offset': at(entry('a', 0), entry('b', 64.5)),
    'a length that is NaN': at(entry('a', 0), entry('b', 64, NaN)),
    'in another order': at(entry('b', 64), entry('a', 0)),
    'bytes of no tensor': at(entry('a', 0)),
    'two of one name': at(entry('a', 0), entry('a', 64)),
  })
})

test('codec - refuses a tensor of another type, encoding or name', t => {
  const one = (...entry: unknown[]) => sealedTensors([entry], new Uint8Array(8))
  t.is(
    codeOf(() => decodeEnvelope(one('a', 'uint8', [8], 'raw', 0, 8))),
    undefined,
  )
  refusesAll(t, {
    'no name': one('', 'uint8', [8], 'raw', 0, 8),
    'a type of Object.prototype': one('a', 'constructor', [8], 'raw', 0, 8),
    'a type that is unknown': one('a', 'bfloat16', [4], 'raw', 0, 8),
    'an encoding that is unknown': one('a', 'uint8', [8], 'zip', 0, 8),
    'a field too few': one('a', 'uint8', [8], 'raw', 0),
    'a field too many': one('a', 'uint8', [8], 'raw', 0, 8, 0),
  })
})

test('codec - refuses texts that do not fill their tensor', t => {
  const texts = (dims: number[], bytes: number[]) =>
    sealedTensors([['a', 'string', dims, 'raw', 0, bytes.length]], Uint8Array.from(bytes))
  t.deepEqual(decodeEnvelope(texts([1], [1, 0, 0, 0, 65])).tensors['a']?.data, ['A'])
  refusesAll(t, {
    'a text beyond the end': texts([1], [2, 0, 0, 0, 65]),
    'a text far beyond the end': texts([1], [255, 255, 255, 255, 65]),
    'half a length': texts([2], [1, 0, 0, 0, 65, 0, 0]),
    'fewer texts': texts([2], [1, 0, 0, 0, 65]),
    'more texts': texts([1], [0, 0, 0, 0, 0, 0, 0, 0]),
  })
})

test('codec - refuses an LZ4 block that is none, or unfolds to another size', t => {
  const block = compressSync(Buffer.alloc(4096))
  const claiming = (size: number, of: Uint8Array = block) => {
    const changed = Uint8Array.from(of)
    new DataView(changed.buffer).setUint32(0, size, true)
    return changed
  }
  const lz4 = (bytes: Uint8Array, dims = [4096], dtype = 'uint8') =>
    sealedTensors([['a', dtype, dims, 'lz4', 0, bytes.byteLength]], bytes)
  t.deepEqual(decodeEnvelope(lz4(block)).tensors['a']?.data, new Uint8Array(4096))
  const garbage = claiming(
    4096,
    Uint8Array.from({ length: 100 }, (_, i) => (i * 37) % 256),
  )
  refusesAll(t, {
    'a claim of less': lz4(claiming(4095), [4095]),
    'a claim of more': lz4(claiming(4097), [4097]),
    'a claim that is not what dims make': lz4(block, [4095]),
    garbage: lz4(garbage),
    'no block at all': lz4(new Uint8Array(0), [0]),
    'half a length': lz4(Uint8Array.of(0, 0), [0]),
    'texts of another size': lz4(claiming(5000), [1], 'string'),
  })
})

test('codec - gives no memory to what a few bytes claim', t => {
  const huge = 2 ** 31 - 64
  const claim = new Uint8Array(32)
  new DataView(claim.buffer).setUint32(0, huge, true)
  const before = process.memoryUsage.rss()
  refusesAll(t, {
    'a block of 28 bytes for 2 GiB': sealedTensors([['a', 'uint8', [huge], 'lz4', 0, 32]], claim),
    'texts of 2 GiB': sealedTensors([['a', 'string', [1], 'lz4', 0, 32]], claim),
    'an array of 2^32 - 1 elements': sealed(Uint8Array.of(0xdd, 255, 255, 255, 255, 0xc0)),
    'an array of 2^24 elements': sealed(Uint8Array.of(0xdd, 1, 0, 0, 0, 0xc0)),
    'a text of 4 GiB': sealed(Uint8Array.of(0xdb, 255, 255, 255, 255, 0x41)),
  })
  t.true(process.memoryUsage.rss() - before < 64 * 2 ** 20)
})

test('codec - refuses a header that nests, extends or ends early', t => {
  const good = pack(headerValue([]))
  const records = new Packr({ useRecords: true })
  refusesAll(t, {
    'arrays in arrays': sealed(new Uint8Array(100_000).fill(0x91)),
    'maps in maps': sealed(new Uint8Array(100_000).fill(0x81)),
    'a record': sealed(records.pack({ dispatcher: 'door' })),
    'a header of records': sealed(records.pack(headerValue([{ name: 'x' }, { name: 'y' }]))),
    'a date': sealed(pack(headerValue([new Date(0)]))),
    'a set': sealed(new Packr({ moreTypes: true }).pack(headerValue([new Set([1])]))),
    'a regular expression': sealed(new Packr({ moreTypes: true }).pack(headerValue([/(a+)+$/]))),
    'a buffer': sealed(pack(headerValue([Buffer.of(1)]))),
    undefined: sealed(pack(undefined)),
    nothing: sealed(new Uint8Array(0)),
    'a byte too few': sealed(good.subarray(0, -1)),
    'a byte too many': sealed(Uint8Array.of(...good, 0xc0)),
  })
  t.is(
    codeOf(() => decodeEnvelope(sealed(good))),
    undefined,
  )
})

test('codec - refuses a header whose fields are not those of a frame', t => {
  const field = (index: number, value: unknown) => sealed(pack(headerValue([]).with(index, value)))
  refusesAll(t, {
    'a dispatcher that is no name': field(0, 'a/b'),
    'a stream that is no name': field(1, '+'),
    'a negative sequence': field(2, -1),
    'a fractional epoch': field(3, 1.5),
    'a stage beyond 2^53': field(4, 2n ** 60n),
    'an admission that is NaN': field(5, NaN),
    'a timing that lacks a field': field(6, [[0, 0, 0, 0]]),
    'an error that is a text': field(7, 'INTERNAL'),
    'no list of tensors': field(8, null),
    'a field too many': sealed(pack([...headerValue([]), 0, 0])),
    'a turn that is none': sealed(pack([...headerValue([]), -1])),
  })
})

test('codec - a header without a turn has its sequence number for one', t => {
  const message = sealed(pack(headerValue([]).with(2, 17)))
  t.is(decodeHeader(message).turn, 17)
  t.is(decodeHeader(encodeEnvelope({ header: { ...HEADER, turn: 3 }, tensors: {} })).turn, 3)
})

test('codec - an error of a code that is unknown here is INTERNAL', t => {
  const message = sealed(pack(headerValue([]).with(7, ['FROM_THE_FUTURE', 'no idea'])))
  t.deepEqual(decodeHeader(message).error, { code: 'INTERNAL', message: 'no idea' })
})
