import test from 'ava'
import fc from 'fast-check'
import { calibrationFrames, packFrames, unpackFrames } from '../../core/calibration.js'
import { tensor } from '../../core/tensor.js'
import { codeOf } from '../support/errors.js'

const FRAMES = [
  { x: tensor('uint8', [1, 3], Uint8Array.of(1, 2, 3)) },
  {
    x: tensor('uint8', [1, 0], new Uint8Array()),
    y: tensor('float32', [2], Float32Array.of(NaN, -Infinity)),
  },
  { ids: tensor('int64', [1], BigInt64Array.of(-5n)) },
]

test('calibration frames - come out of a file as they went in', t => {
  t.deepEqual(unpackFrames(packFrames(FRAMES)), FRAMES)
})

test('calibration frames - of many, some are taken, evenly spread', t => {
  t.deepEqual(calibrationFrames(3), [0, 1, 2])
  const taken = calibrationFrames(200)
  t.is(taken.length, 16)
  t.deepEqual([taken[0], taken[1], taken[15]], [0, 12, 187])
  t.deepEqual(calibrationFrames(0), [])
})

test('calibration frames - a file that ends too soon, or has none, is refused', t => {
  const file = packFrames(FRAMES)
  t.is(
    codeOf(() => unpackFrames(file.subarray(0, 0))),
    'DATASET_INVALID',
  )
  for (let length = 1; length < file.byteLength; length++) {
    const code = codeOf(() => {
      const frames = unpackFrames(file.subarray(0, length))
      t.true(frames.length < FRAMES.length)
    })
    t.true(code === undefined || code === 'DATASET_INVALID', `${length}: ${code}`)
  }
})

test('calibration frames - whatever bytes a file has, it is read or refused', t => {
  const codes = new Set<unknown>()
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
      (noise, changes) => {
        const file = packFrames(FRAMES)
        for (const [at, byte] of changes) file[at % file.byteLength] = byte
        for (const bytes of [noise, file]) codes.add(codeOf(() => unpackFrames(bytes)))
      },
    ),
  )
  const known: unknown[] = [
    'DATASET_INVALID',
    'ENVELOPE_INVALID',
    'ENVELOPE_VERSION',
    'ENVELOPE_CORRUPT',
    undefined,
  ]
  t.deepEqual(
    [...codes].filter(code => !known.includes(code)),
    [],
  )
})
