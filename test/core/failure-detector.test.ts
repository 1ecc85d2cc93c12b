import test from 'ava'
import fc from 'fast-check'
import { FailureDetector } from '../../core/failure-detector.js'

const SETTINGS = { expectedMs: 250, acceptablePauseMs: 600, mostMs: 3_000 }

/** After signs of life at these intervals, in ms: how long silence lasts until it is suspicious. */
function patience(intervals: readonly number[], settings = SETTINGS): number {
  let now = 0
  const detector = new FailureDetector(settings, now)
  for (const interval of intervals) detector.heard((now += interval))
  for (let silence = 0; ; silence++) if (detector.isSuspect(now + silence)) return silence
}

const steady = Array.from({ length: 100 }, () => 250)
const wild = steady.map((ms, i) => (i % 2 === 0 ? ms - 240 : ms + 240))

test('a detector - bears one pause beyond a steady beat, and not much more', t => {
  const ms = patience(steady)
  t.true(ms > 850 && ms < 1_300, String(ms))
})

test('a detector - bears more of somebody who was irregular before, within the limit', t => {
  t.true(patience(wild) > patience(steady) + 200)
  t.is(patience(wild, { ...SETTINGS, mostMs: 1_000 }), 1_001)
})

test('a detector - knows nothing yet: it takes the expected interval', t => {
  t.is(patience([]), patience(steady))
})

test('a detector - somebody who was away and came back is not trusted longer for it', t => {
  t.true(patience([...steady, 60_000, 250, 250]) < 2 * patience(steady))
})

test('a detector - bears longer pauses of somebody whom it suspected for one, until nothing of that kind happens for a while', t => {
  const once = patience([...steady, 1_400])
  t.true(once >= patience(steady) + SETTINGS.acceptablePauseMs, String(once))
  t.true(patience([...steady, 1_400, ...steady.slice(0, 59)]) >= patience(steady) + 500)
  t.is(patience([...steady, 1_400, ...steady, ...steady]), patience(steady))
  const often = [...steady, 1_400, 250, 2_200, 250, 2_990, 250, 2_990]
  t.is(patience(often), SETTINGS.mostMs + 1)
})

test('a detector - time in which nobody could be heard does not count', t => {
  const detector = new FailureDetector(SETTINGS, 0)
  detector.excuse(10_000)
  t.false(detector.isSuspect(10_800))
  t.true(detector.isSuspect(12_000))
})

test('a detector - suspicion never falls while silence lasts, and any sign ends it', t => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 80 }), intervals => {
      let now = 0
      const detector = new FailureDetector(SETTINGS, now)
      for (const interval of intervals) {
        let before = 0
        for (const part of [0.1, 0.5, 0.9]) {
          const suspicion = detector.suspicion(now + part * interval)
          t.true(suspicion >= before && Number.isFinite(suspicion))
          before = suspicion
        }
        detector.heard((now += interval))
        t.false(detector.isSuspect(now))
      }
    }),
  )
})
