import test from 'ava'
import { Subject } from 'rxjs'
import { Checker, isClean } from '../../../../actors/bin/chaos/checker.js'
import { type Prediction } from '../../../../actors/dispatcher/index.js'
import { type FrameIdentity } from '../../../../core/frame.js'
import { type LedgerEntry } from '../../../../core/ledger.js'
import { type Tensors } from '../../../../core/tensor.js'
import { row } from '../../../support/actors.js'

/** A pipeline that says what the test says; frame n is right when it gives n. */
function setting(
  mayFail?: (frame: FrameIdentity) => boolean,
  expected = (sequence: number, _version: string): Tensors => ({ y: row(sequence, 1) }),
) {
  const told = {
    frames$: new Subject<FrameIdentity>(),
    predictions$: new Subject<Prediction>(),
    ledger$: new Subject<LedgerEntry>(),
  }
  const checker = new Checker(told, expected, mayFail)
  const identity = (sequence: number) => ({ dispatcher: 'd', stream: 's', sequence })
  const times = { admittedAt: 0, endedAt: 0 }
  const predict = (sequence: number, value = sequence, version = '0') =>
    told.predictions$.next({
      ...{
        ...identity(sequence),
        outputs: { y: row(value, 1) },
        epoch: 1,
        version,
        admittedAt: 0,
        ageMs: 0,
      },
      ...{ timings: [], bytes: 0 },
    })
  const end = (sequence: number) => told.ledger$.next({ ...identity(sequence), ...times, end: 'predicted' })
  const fail = (sequence: number) =>
    told.ledger$.next({
      ...{ ...identity(sequence), ...times, end: 'failed' },
      error: { code: 'FRAME_DEADLINE', message: 'late' },
    })
  const pass = (sequence: number, version?: string) => {
    told.frames$.next(identity(sequence))
    end(sequence)
    predict(sequence, sequence, version)
  }
  return {
    checker,
    admit: (sequence: number) => told.frames$.next(identity(sequence)),
    predict,
    end,
    fail,
    pass,
  }
}

const CLEAN = { lost: 0, duplicates: 0, misordered: 0, wrong: 0 }

test('the checker - finds nothing where each frame is predicted once, in order, and right', t => {
  const { checker, pass } = setting()
  for (const sequence of [0, 1, 2]) pass(sequence)
  t.deepEqual(checker.verdict(), { admitted: 3, predicted: 3, ...CLEAN })
  t.true(isClean(checker.verdict()))
})

const findings: Record<string, [(s: ReturnType<typeof setting>) => void, object]> = {
  'a frame that never ends': [({ admit }) => admit(3), { lost: 1 }],
  'a frame that fails': [({ admit, fail }) => (admit(3), fail(3)), { lost: 1 }],
  'a frame that the ledger calls predicted and nobody got': [
    ({ admit, end }) => (admit(3), end(3)),
    { lost: 1 },
  ],
  'a prediction that comes twice': [({ predict }) => predict(2), { duplicates: 1 }],
  'a frame that ends twice': [({ end }) => end(2), { duplicates: 1 }],
  'a prediction behind a later one': [
    ({ admit, end, predict }) => (admit(3), admit(4), end(4), predict(4), end(3), predict(3)),
    { misordered: 1 },
  ],
  "another frame's prediction": [
    ({ admit, end, predict }) => (admit(3), end(3), predict(3, 2)),
    { wrong: 1 },
  ],
  'a prediction of no frame': [({ predict }) => predict(9), { wrong: 1 }],
}

for (const [what, [act, found]] of Object.entries(findings)) {
  test(`the checker - finds ${what}`, t => {
    const known = setting()
    for (const sequence of [0, 1, 2]) known.pass(sequence)
    act(known)
    t.like(known.checker.verdict(), { ...CLEAN, ...found })
    t.false(isClean(known.checker.verdict()))
  })
}

test('the checker - spares a frame that is meant to fail', t => {
  const { checker, pass, admit, fail } = setting(({ sequence }) => sequence === 1)
  pass(0)
  admit(1)
  fail(1)
  t.deepEqual(checker.verdict(), { admitted: 2, predicted: 1, ...CLEAN })
})

/** Frame 2 was delivered and not recorded as that, frame 3 was under way. */
function killed() {
  const known = setting()
  for (const sequence of [0, 1, 2]) known.pass(sequence)
  known.admit(3)
  known.checker.restarted(['d/s/2', 'd/s/3'])
  return known
}

test('the checker - has what the journal of a killed dispatcher did not record predicted once more', t => {
  const { checker, pass } = killed()
  for (const sequence of [2, 3, 4]) pass(sequence)
  t.deepEqual(checker.verdict(), { admitted: 5, predicted: 5, ...CLEAN })
})

const afterKill: Record<string, [(s: ReturnType<typeof setting>) => void, object]> = {
  'a frame that was recorded as delivered and comes again': [
    ({ pass, predict }) => (predict(1), pass(2), pass(3)),
    { duplicates: 1 },
  ],
  'a frame that comes again twice': [
    ({ pass, predict }) => (pass(2), pass(3), predict(2)),
    { duplicates: 1 },
  ],
  'a frame that was under way and is forgotten': [({ pass }) => pass(2), { lost: 1 }],
  'a frame that comes again with another value': [
    ({ pass, admit, end, predict }) => (admit(2), end(2), predict(2, 7), pass(3)),
    { wrong: 1 },
  ],
}

for (const [what, [act, found]] of Object.entries(afterKill)) {
  test(`the checker - finds, after the dispatcher was killed, ${what}`, t => {
    const known = killed()
    act(known)
    t.like(known.checker.verdict(), found)
    t.false(isClean(known.checker.verdict()))
  })
}

test('the checker - holds a prediction to the version of the model that it names', t => {
  const known = setting(undefined, (sequence, version) => ({
    y: row(version === '0' ? sequence : 2 * sequence, 1),
  }))
  known.pass(1)
  t.true(isClean(known.checker.verdict()))
  known.pass(2, '1')
  t.is(known.checker.verdict().wrong, 1)
})
