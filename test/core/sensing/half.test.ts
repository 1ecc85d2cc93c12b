import test from 'ava'
import { halfToFloat } from '../../../core/compare.js'
import { numberToHalf } from '../../../core/sensing/half.js'

test('half - every binary16 comes back from the number that it is', t => {
  for (let bits = 0; bits < 65_536; bits++) {
    const value = halfToFloat(bits)
    if (Number.isNaN(value)) t.true(Number.isNaN(halfToFloat(numberToHalf(value))))
    else if (numberToHalf(value) !== bits) t.is(numberToHalf(value), bits, `${value}`)
  }
})

test('half - a number becomes the nearest half, and the even one of two that are equally near', t => {
  const rows: readonly (readonly [number, number])[] = [
    [1 + 2 ** -11, 1],
    [1 + 3 * 2 ** -11, 1 + 2 ** -9],
    [1 + 2 ** -11 + 2 ** -20, 1 + 2 ** -10],
    [2 ** -25, 0],
    [2 ** -25 * 1.01, 2 ** -24],
    [2 ** -24 * 1.5, 2 ** -23],
    [65_519, 65_504],
    [65_520, Infinity],
    [1e300, Infinity],
    [-1e300, -Infinity],
    [1e-300, 0],
  ]
  for (const [value, expected] of rows) t.is(halfToFloat(numberToHalf(value)), expected, `${value}`)
})
