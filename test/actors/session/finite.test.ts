import test from 'ava'
import fc from 'fast-check'
import { checkCoded } from '../../../actors/session/finite.js'
import { tensor } from '../../../core/tensor.js'
import { type Coding } from '../../../core/wire.js'
import { codeOf } from '../../support/errors.js'

const CODING: Coding = { value: 'v', wire: 'f16', tensors: ['v#f16'], beside: false }
const [INFINITY, NEGATIVE, NAN, LARGEST] = [0x7c00, 0xfc00, 0x7e00, 0x7bff]

function check(bits: Uint16Array<ArrayBuffer>) {
  const coded = { 'v#f16': tensor('float16', [bits.length], bits) }
  return codeOf(() => checkCoded([CODING], coded))
}

test('halves - an Inf of either sign is found at any place of any number of them, and nothing else is taken for one', t => {
  const half = fc
    .integer({ min: 0, max: 0xffff })
    .map(bits => ((bits & 0x7fff) === INFINITY ? LARGEST : bits))
  fc.assert(
    fc.property(fc.array(half, { maxLength: 40 }), fc.nat(), fc.boolean(), (halves, place, negative) => {
      t.is(check(Uint16Array.from(halves)), undefined)
      const with1 = halves.toSpliced(place % (halves.length + 1), 0, negative ? NEGATIVE : INFINITY)
      t.is(check(Uint16Array.from(with1)), 'WIRE_OVERFLOW')
      const view = new Uint16Array([0, ...with1]).subarray(1)
      t.is(check(view), 'WIRE_OVERFLOW')
      t.is(check(Uint16Array.from([NAN, ...with1])), 'WIRE_OVERFLOW')
    }),
  )
})
