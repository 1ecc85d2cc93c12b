import test from 'ava'
import { type FrozenResult } from './frozen-consumer.js'
import { frozenProblems } from './frozen-report.js'
import { rateOf } from './rate.js'

const CLEAN = { admitted: 9, predicted: 9, lost: 0, duplicates: 0, misordered: 0, wrong: 0 }
const STEADY = { before: 100, during: 96, without: 100, least: 40 }
const FINE: FrozenResult = {
  memory: [{ process: 'broker', before: 100, during: 160 }],
  ...{ other: STEADY, consumed: STEADY, stage: { ...STEADY, during: 0 } },
  ...{ frames: { other: CLEAN, stage: CLEAN }, mishaps: [], states: [] },
}

test('a frozen consumer - that nobody else notices is no problem', t => {
  t.deepEqual(frozenProblems(FINE), [])
})

const found: Record<string, Partial<FrozenResult>> = {
  'a process that grows': { memory: [{ process: 'broker', before: 100, during: 165 }] },
  'a process that is gone': { memory: [{ process: 'w1', before: 100, during: NaN }] },
  'another pipeline that slows down': { other: { ...STEADY, during: 94 } },
  'its own pipeline that stands still': { consumed: { ...STEADY, during: 0 } },
  'a frame that is lost': { frames: { other: CLEAN, stage: { ...CLEAN, lost: 1 } } },
  'a sensor that is refused': { mishaps: ['{}'] },
}

for (const [what, change] of Object.entries(found)) {
  test(`a frozen consumer - ${what} is found`, t => {
    t.is(frozenProblems({ ...FINE, ...change }).length, 1)
  })
}

test('a frozen consumer - one bad second is no rate', t => {
  t.deepEqual(rateOf([10, 10, 0], [10, 2, 11, 12], [9, 9]), {
    before: 10,
    during: 10.5,
    without: 9,
    least: 2,
  })
})
