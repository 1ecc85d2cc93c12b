import test from 'ava'
import fc from 'fast-check'
import { BriefMap } from '../../core/brief-map.js'

const step = fc.oneof(
  fc.record({ act: fc.constant('set' as const), key: fc.nat(20), value: fc.nat() }),
  fc.record({ act: fc.constantFrom('delete' as const, 'get' as const, 'has' as const), key: fc.nat(20) }),
  fc.record({ act: fc.constant('clear' as const) }),
)

test('a brief map - is as a Map is, whatever comes and goes', t => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), steps => {
      const [brief, map] = [new BriefMap<number, number>(), new Map<number, number>()]
      return steps.every(one => {
        if (one.act === 'set') {
          brief.set(one.key, one.value)
          map.set(one.key, one.value)
        } else if (one.act === 'clear') {
          brief.clear()
          map.clear()
        } else if (brief[one.act](one.key) !== map[one.act](one.key)) return false
        return brief.size === map.size && brief.values().join() === [...map.values()].join()
      })
    }),
  )
  t.pass()
})

test('a brief map - keeps its order over many more than are there at once', t => {
  const brief = new BriefMap<number, string>()
  for (let i = 0; i < 1_000; i++) {
    brief.set(i, `${i}`)
    if (i >= 10) t.true(brief.delete(i - 10))
  }
  t.deepEqual(
    brief.values(),
    Array.from({ length: 10 }, (_, i) => `${990 + i}`),
  )
})
