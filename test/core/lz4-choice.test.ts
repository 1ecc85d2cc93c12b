import test from 'ava'
import fc from 'fast-check'
import { type Lz4, Lz4Choice } from '../../core/lz4-choice.js'

/** Of 99 kB a third is left, after 8 ms. */
const PACKING = { rawBytes: 99_000, bytes: 33_000, ms: 8 }
const SAVED_BITS = (PACKING.rawBytes - PACKING.bytes) * 8
/** At this rate LZ4 saves the link just what it takes. */
const EVEN_MBPS = SAVED_BITS / 1e3 / (2 * PACKING.ms)

function choice(wish: Lz4 = 'auto') {
  let now = 0
  const lz4 = new Lz4Choice(wish, () => now)
  /** Sends so many messages in so long. @returns those that were compressed, as packed so */
  const send = (messages: number, mbps: number | undefined, { ms = 0, packing = PACKING } = {}) => {
    let packed = 0
    for (let i = 0; i < messages; i++) {
      now += ms / messages
      if (!lz4.next(mbps)) continue
      packed++
      lz4.packed(packing)
    }
    return packed
  }
  return { lz4, send }
}

test('LZ4 - is for all messages or for none where that is asked for', t => {
  for (const mbps of [undefined, 1, 1e6]) {
    t.is(choice('always').send(10, mbps), 10)
    t.is(choice('never').send(10, mbps), 0)
  }
  t.true(choice('always').lz4.compresses)
})

test('LZ4 - of its own accord is for links that are known and slow enough', t => {
  const { send, lz4 } = choice()
  t.is(send(10, undefined), 0)
  t.is(send(10, EVEN_MBPS / 1.6), 10, 'the first to try, the others as it pays')
  t.true(lz4.compresses)
  t.is(lz4.left, 1 / 3)
  t.is(choice().send(10, EVEN_MBPS / 1.4), 1, 'tried only')
  t.is(choice().send(10, 1e4), 0, 'not even tried')
})

test('LZ4 - is decided anew when the link changes, though not for a little', t => {
  const { send, lz4 } = choice()
  send(2, EVEN_MBPS / 2)
  t.is(send(10, EVEN_MBPS * 0.9), 10)
  t.is(send(10, EVEN_MBPS * 1.1), 0)
  t.false(lz4.compresses)
  t.is(send(10, EVEN_MBPS * 0.9), 0)
  t.is(send(10, EVEN_MBPS / 2), 10)
  t.is(send(10, undefined), 0)
})

test('LZ4 - is decided anew when frames are otherwise', t => {
  const noise = { packing: { ...PACKING, bytes: PACKING.rawBytes } }
  const { send } = choice()
  t.is(send(10, EVEN_MBPS / 2, noise), 1)
  t.is(send(100, EVEN_MBPS / 2, { ms: 4_000 }), 0)
  t.is(send(10, EVEN_MBPS / 2, { ms: 10_000 }), 10, 'tried again after 5 s')
  t.is(send(20, EVEN_MBPS / 2, noise), 5, 'until they are the most of eight')
})

test('LZ4 - goes on though a message now and then takes long', t => {
  const { send } = choice()
  send(8, EVEN_MBPS / 3)
  t.is(send(1, EVEN_MBPS / 3, { packing: { ...PACKING, ms: 10 * PACKING.ms } }), 1)
  t.is(send(10, EVEN_MBPS / 3), 10)
})

test('LZ4 - is tried seldom where messages are', t => {
  const { send } = choice()
  const noise = { packing: { ...PACKING, bytes: PACKING.rawBytes } }
  t.is(send(32, EVEN_MBPS / 2, { ...noise, ms: 3_200_000 }), 1)
  t.is(send(2, EVEN_MBPS / 2, { ...noise, ms: 200_000 }), 1)
})

test('LZ4 - goes on for as long only as it gains time', t => {
  const figures = fc.record({
    mbps: fc.double({ min: 0.1, max: 1e5, noNaN: true }),
    rawBytes: fc.integer({ min: 1, max: 1e7 }),
    share: fc.double({ min: 0, max: 1.1, noNaN: true }),
    ms: fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
  })
  fc.assert(
    fc.property(fc.array(figures, { minLength: 1 }), all => {
      const lz4 = new Lz4Choice('auto', () => 0)
      for (const { mbps, rawBytes, share, ms } of all) {
        const bytes = rawBytes * share
        const gains = ((rawBytes - bytes) * 8) / 1e3 / mbps > 2 * ms
        for (let i = 0; i < 8; i++) lz4.packed({ rawBytes, bytes, ms })
        lz4.next(mbps)
        if (lz4.compresses && !gains) return false
      }
      return true
    }),
  )
  t.pass()
})
