import test from 'ava'
import { slopeOf } from './slope.js'

test('a slope - is that of a line, whatever lies evenly around it', t => {
  const values = [10, 14, 10, 14, 10, 14, 10, 14]
  const samples = values.map((value, at) => ({ at, value: value + 3 * at }))
  const flat = values.map((value, at) => ({ at, value }))
  t.true(Math.abs(slopeOf(samples) - slopeOf(flat) - 3) < 1e-9)
  t.true(Math.abs(slopeOf([0, 1, 2, 3].map(at => ({ at, value: 5 - 2 * at }))) + 2) < 1e-9)
})

test('a slope - of what does not change, or of one moment, is 0', t => {
  t.is(slopeOf([0, 1, 2].map(at => ({ at, value: 7 }))), 0)
  t.is(slopeOf([{ at: 1, value: 7 }]), 0)
  t.is(slopeOf([]), 0)
})
