import test from 'ava'
import { Refusals } from '../../../actors/supervisor/refusals.js'
import { type Activation } from '../../../core/control/index.js'
import { type PreparedPart } from '../../../actors/supervisor/workshop/messages.js'

const part = { sha256: 'a'.repeat(64), bytes: 1 }
const ACTIVATION = { part } as Activation
const PART = { part } as PreparedPart

function noted(...kinds: Parameters<Refusals['note']>[2][]) {
  let now = 0
  const refusals = new Refusals(() => now)
  for (const kind of kinds) refusals.note('w1', ACTIVATION, kind)
  const checks = () => {
    const { refuses, avoids } = refusals.checks()
    return { refuses: refuses('w1', PART), avoids: avoids('w1', PART), other: avoids('w2', PART) }
  }
  return { checks, wait: (ms: number) => void (now += ms) }
}

const FREE = { refuses: false, avoids: false, other: false }
const LAST = { refuses: false, avoids: true, other: false }
const NEVER = { refuses: true, avoids: true, other: false }

test('refusals - who could not load a partition is not asked, for half a minute', t => {
  const { checks, wait } = noted('failed')
  t.deepEqual(checks(), NEVER)
  wait(30_001)
  t.deepEqual(checks(), FREE)
})

test('refusals - whose runtime crashed is asked last, however often that was', t => {
  t.deepEqual(noted('crashed').checks(), LAST)
  t.deepEqual(noted('crashed', 'crashed').checks(), LAST)
})

test('refusals - a crash while a partition is loaded is a refusal the second time', t => {
  t.deepEqual(noted('crashed loading').checks(), LAST)
  t.deepEqual(noted('crashed', 'crashed loading').checks(), LAST)
  t.deepEqual(noted('crashed loading', 'crashed loading').checks(), NEVER)
})

test('refusals - a worker that runs the partition again is as good as any other', t => {
  const refusals = new Refusals()
  refusals.note('w1', ACTIVATION, 'crashed')
  refusals.note('w2', ACTIVATION, 'crashed')
  refusals.forgive('w1', ACTIVATION)
  const { avoids } = refusals.checks()
  t.deepEqual([avoids('w1', PART), avoids('w2', PART)], [false, true])
})
