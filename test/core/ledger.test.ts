import test from 'ava'
import fc from 'fast-check'
import { identityKey } from '../../core/frame.js'
import { Ledger, type LedgerEntry } from '../../core/ledger.js'

function frame(sequence: number, stream = 'camera') {
  return { dispatcher: 'door', stream, sequence }
}

/** A ledger and all that it has told. */
function told() {
  const ledger = new Ledger()
  const entries: LedgerEntry[] = []
  let complete = false
  ledger.entries$.subscribe({ next: entry => entries.push(entry), complete: () => (complete = true) })
  return { ledger, entries, isComplete: () => complete }
}

type Step = readonly ['admit' | 'predicted' | 'dropped' | 'failed', number]

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.tuple(fc.constantFrom('admit', 'predicted', 'dropped', 'failed'), fc.nat({ max: 12 })),
  { maxLength: 80 },
)

function apply(ledger: Ledger, [what, sequence]: Step, now: number): void {
  if (what === 'admit') ledger.admit(frame(sequence), now)
  else if (what === 'predicted') ledger.predicted(frame(sequence), now)
  else if (what === 'dropped') ledger.dropped(frame(sequence), 'stale', now)
  else ledger.failed(frame(sequence), { code: 'FRAME_DEADLINE', message: 'late' }, now)
}

test('the ledger - ends each admitted frame once, the first way, and counts add up after each step', t => {
  fc.assert(
    fc.property(steps, steps => {
      const { ledger, entries } = told()
      const open = new Map<number, number>()
      const expected: unknown[] = []
      let [admitted, duplicates] = [0, 0]
      steps.forEach((step, now) => {
        const [what, sequence] = step
        const admittedAt = open.get(sequence)
        if (what === 'admit' && admittedAt === undefined) {
          admitted++
          open.set(sequence, now)
        } else if (what !== 'admit' && admittedAt === undefined) duplicates++
        else if (what !== 'admit') {
          open.delete(sequence)
          expected.push({ sequence, end: what, admittedAt, endedAt: now })
        }
        apply(ledger, step, now)
        const counts = ledger.counts()
        t.is(counts.admitted, counts.predicted + counts.dropped + counts.failed + counts.open)
        t.like(counts, { admitted, duplicates, open: open.size })
      })
      t.deepEqual(
        entries.map(({ sequence, end, admittedAt, endedAt }) => ({ sequence, end, admittedAt, endedAt })),
        expected,
      )
    }),
    { numRuns: 200 },
  )
})

test('the ledger - tells the reason of a drop and the error of a failure', t => {
  const { ledger, entries } = told()
  for (const sequence of [0, 1, 2]) ledger.admit(frame(sequence), 10)
  ledger.dropped(frame(1), 'stale', 20)
  ledger.failed(frame(0), { code: 'INFERENCE_FAILED', message: 'axis' }, 30)
  ledger.predicted(frame(2), 40)
  t.deepEqual(entries, [
    { ...frame(1), admittedAt: 10, endedAt: 20, end: 'dropped', reason: 'stale' },
    {
      ...frame(0),
      admittedAt: 10,
      endedAt: 30,
      end: 'failed',
      error: { code: 'INFERENCE_FAILED', message: 'axis' },
    },
    { ...frame(2), admittedAt: 10, endedAt: 40, end: 'predicted' },
  ])
})

test('the ledger - tells a frame apart from one of another stream or dispatcher', t => {
  const { ledger } = told()
  ledger.admit(frame(0), 1)
  ledger.predicted(frame(0, 'other'), 2)
  ledger.predicted({ ...frame(0), dispatcher: 'other' }, 2)
  t.like(ledger.counts(), { open: 1, predicted: 0, duplicates: 2 })
})

test('the ledger - keeps nothing of a frame but its identity and times', t => {
  const { ledger, entries } = told()
  const heavy = { ...frame(0), tensors: { x: 1 } }
  ledger.admit(heavy, 1)
  ledger.predicted(heavy, 2)
  t.deepEqual(entries, [{ ...frame(0), admittedAt: 1, endedAt: 2, end: 'predicted' }])
})

test('the ledger - counts before it tells, and completes when it is closed', t => {
  const { ledger, isComplete } = told()
  ledger.admit(frame(0), 1)
  let open: number | undefined
  ledger.entries$.subscribe(() => (open = ledger.counts().open))
  ledger.predicted(frame(0), 2)
  t.is(open, 0)
  ledger.close()
  t.true(isComplete())
})

test('an identity key - is equal for equal identities only', t => {
  const names = fc.constantFrom('a', 'b', 'a-0', '0', '00', 'a-')
  const identities = fc.record({ dispatcher: names, stream: names, sequence: fc.nat({ max: 11 }) })
  fc.assert(
    fc.property(identities, identities, (a, b) => {
      const same = a.dispatcher === b.dispatcher && a.stream === b.stream && a.sequence === b.sequence
      t.is(identityKey(a) === identityKey(b), same)
    }),
  )
})
