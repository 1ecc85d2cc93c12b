import test from 'ava'
import fc from 'fast-check'
import { EventQueue } from '../../../core/simulator/event-queue.js'

test('event queue - gives the earliest first, and of the same time what was entered first', t => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(20))), steps => {
      const queue = new EventQueue<number>()
      const expected: { at: number; event: number }[] = []
      for (const [event, at] of steps.entries()) {
        if (at === null) {
          const next = queue.pop()
          t.deepEqual(next && { at: next.at, event: next.event }, expected.shift())
          continue
        }
        queue.push(at, event)
        expected.push({ at, event })
        expected.sort((a, b) => a.at - b.at || a.event - b.event)
      }
      t.is(queue.size, expected.length)
    }),
  )
})
