import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
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

test('a brief map - leaves nothing of what has gone for a full collection, however long it has been there', t => {
  const gc = collector()
  const kept = (map: BriefMap<number, number[]> | Map<number, number[]>) => {
    for (let key = 0; key < 5; key++) map.set(key, bulky(key))
    gc()
    gc({ type: 'minor' })
    const before = oldBytes()
    for (let key = 5; key < 10_005; key++) {
      map.set(key, bulky(key))
      map.delete(key - 5)
      if (key % 200 === 0) gc({ type: 'minor' })
    }
    return oldBytes() - before
  }
  const [plain, brief] = [kept(new Map()), kept(new BriefMap())]
  // 10 MB have come and gone. Were a plain Map to leave nothing either, it could take this one's place.
  t.true(plain > 2e6, `a Map left ${plain} bytes`)
  t.true(brief < plain / 4, `a brief one ${brief}, a Map ${plain}`)
})

/** About 1 kB. */
function bulky(key: number): number[] {
  return Array.from({ length: 128 }, () => 0.5 + key)
}

function collector(): (options?: { readonly type: 'minor' }) => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void
}

/** What only full collections free, used or not. */
function oldBytes(): number {
  return getHeapSpaceStatistics()
    .filter(({ space_name: space }) => space === 'old_space' || space === 'large_object_space')
    .reduce((sum, { space_used_size: bytes }) => sum + bytes, 0)
}
