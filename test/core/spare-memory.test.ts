import test from 'ava'
import { SpareMemory } from '../../core/spare-memory.js'

const KIB = 1_024
const MIB = 2 ** 20

test('spare memory - is taken again by what fits, the smallest first, and once', t => {
  const memory = new SpareMemory()
  const [small, large] = [new ArrayBuffer(100 * KIB), new ArrayBuffer(200 * KIB)]
  for (const one of [large, small]) memory.give(one)
  const first = memory.take(90 * KIB)
  t.is(first.buffer, small)
  t.is(first.byteOffset, 0)
  t.is(first.byteLength, 90 * KIB)
  t.is(memory.take(90 * KIB).buffer, large)
  t.false([small, large].includes(memory.take(90 * KIB).buffer))
})

test('spare memory - what has nothing that fits is in memory of its own', t => {
  const memory = new SpareMemory()
  const spare = new ArrayBuffer(MIB)
  memory.give(spare)
  for (const bytes of [0, 1, 100, 16 * KIB, MIB + 1]) {
    const taken = memory.take(bytes)
    t.not(taken.buffer, spare)
    t.is(taken.buffer.byteLength, bytes)
  }
  t.is(memory.take(MIB / 8).buffer, spare)
})

test('spare memory - given twice is taken once', t => {
  const memory = new SpareMemory()
  const spare = new ArrayBuffer(MIB)
  for (let i = 0; i < 2; i++) memory.give(spare)
  t.is(memory.take(MIB).buffer, spare)
  t.not(memory.take(MIB).buffer, spare)
})

test('spare memory - keeps 16 MiB at most, of what was given last, and nothing small', t => {
  const memory = new SpareMemory()
  const given = Array.from({ length: 6 }, () => new ArrayBuffer(4 * MIB))
  for (const one of [...given, new ArrayBuffer(17 * MIB), new ArrayBuffer(KIB)]) memory.give(one)
  const taken = Array.from({ length: 6 }, () => memory.take(4 * MIB).buffer)
  t.deepEqual(
    taken.map(one => given.indexOf(one)),
    [2, 3, 4, 5, -1, -1],
  )
  t.is(memory.take(17 * MIB).buffer.byteLength, 17 * MIB)
})

test('spare memory - that went to another thread meanwhile is not taken', t => {
  const memory = new SpareMemory()
  const gone = new ArrayBuffer(MIB)
  memory.give(gone)
  structuredClone(gone, { transfer: [gone] })
  t.is(memory.take(MIB).buffer.byteLength, MIB)
})
