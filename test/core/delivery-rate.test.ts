import test from 'ava'
import { DeliveryRate } from '../../core/delivery-rate.js'

/** A link of 8 Mbit/s, a byte a microsecond, that takes one message after the other; until it is slowed down. */
function link() {
  let now = 0
  let free = 0
  let bytesPerMs = 1_000
  const rate = new DeliveryRate(() => now)
  const arriving: { at: number; act: () => void }[] = []
  /** Time goes by, and what arrives by then does. */
  const pass = (ms: number) => {
    const end = now + ms
    for (const { at, act } of arriving.splice(0)) {
      if (at > end) arriving.push({ at, act })
      else {
        now = at
        act()
      }
    }
    now = end
  }
  const send = (bytes: number, lateMs = 0) => {
    const act = rate.leaves(bytes)
    free = Math.max(free, now) + bytes / bytesPerMs
    if (act !== undefined) arriving.push({ at: free + lateMs, act })
    return act !== undefined
  }
  /** Two messages in a row, of which the second is told of so much later, and the time until they are there. */
  const pair = (bytes: number, lateMs = 0) => {
    send(2 * bytes)
    send(bytes, lateMs)
    pass(1_000)
  }
  const slowDown = (times: number) => (bytesPerMs /= times)
  return { rate, pass, send, pair, slowDown }
}

test('a delivery rate - is that of the second of two messages, whatever was on its way before', t => {
  const { rate, pair } = link()
  t.is(rate.best, undefined)
  for (let i = 0; i < 3; i++) pair(50_000)
  t.like(rate.best, { mbps: 8, ms: 50 })
})

test('a delivery rate - of messages with time between them is that too', t => {
  const { rate, pass, send } = link()
  for (let i = 0; i < 3; i++) {
    send(100_000)
    pass(400)
    send(20_000)
    pass(600)
  }
  t.like(rate.best, { mbps: 8, ms: 20 })
})

test('a delivery rate - is measured twice a second, and messages between are not asked about', t => {
  const { pass, send } = link()
  t.deepEqual([send(1_000), send(1_000), send(1_000)], [true, true, false])
  pass(499)
  t.false(send(1_000))
  pass(10)
  t.deepEqual([send(1_000), send(1_000)], [true, true])
})

test('a delivery rate - is the best but one of late, so that a receiver that was busy says nothing', t => {
  const { rate, pair } = link()
  for (let i = 0; i < 2; i++) pair(10_000)
  for (let i = 0; i < 3; i++) pair(10_000, 10)
  t.is(rate.best?.mbps, 8)
  pair(10_000, 10)
  t.like(rate.best, { mbps: 4, ms: 20 })
})

test('a delivery rate - is not that of a pair whose sender learnt late that the first had arrived', t => {
  const { rate, pair, send, pass } = link()
  for (let i = 0; i < 3; i++) pair(10_000)
  send(10_000, 9)
  send(10_000)
  pass(1_000)
  t.like(rate.best, { mbps: 8, ms: 10 })
})

test('a delivery rate - of two pairs is none yet: what has just begun seems slow', t => {
  const { rate, pair } = link()
  pair(10_000, 90)
  pair(10_000)
  t.is(rate.best, undefined)
  pair(10_000)
  t.like(rate.best, { mbps: 8, ms: 10 })
})

test('a delivery rate - of another connection begins anew, and what is lost is not waited for', t => {
  const { rate, pass, send, pair } = link()
  for (let i = 0; i < 3; i++) pair(10_000)
  t.is(rate.best?.mbps, 8)
  rate.leaves(1)
  const late = rate.leaves(1)
  rate.reset()
  t.is(rate.best, undefined)
  for (let i = 0; i < 3; i++) late?.()
  t.is(rate.best, undefined, 'of the connection before')
  // Neither arrives.
  rate.leaves(1)
  rate.leaves(1)
  pass(500)
  t.true(send(10_000))
})

test('a delivery rate - of a link that is suddenly much slower is known from two pairs, while other messages wait for it', t => {
  const { rate, pass, send, pair, slowDown } = link()
  for (let i = 0; i < 5; i++) pair(50_000)
  slowDown(10)
  // Each takes half a second, and they leave five times as fast.
  for (let i = 0; i < 12; i++) {
    send(50_000)
    pass(100)
  }
  t.is(rate.best?.mbps, 8)
  // The second pair is of the sixth message and the seventh.
  pass(7 * 500 - 1_200 - 1)
  t.is(rate.best?.mbps, 8)
  pass(1)
  t.like(rate.best, { mbps: 0.8, ms: 500 })
})
