import test from 'ava'
import { EMPTY, NEVER, of, Subject, throwError } from 'rxjs'
import { MillraceError } from '../../core/errors.js'
import { firstWhere, withLimit } from '../../core/wait.js'

const late = () => new MillraceError('DEPLOY_TIMEOUT', 'late')
const even = (value: number) => value % 2 === 0

test('a limit - gives what the promise gives', async t => {
  t.is(await withLimit(Promise.resolve(5), 1000, late), 5)
  await t.throwsAsync(withLimit(Promise.reject(new Error('own')), 1000, late), { message: 'own' })
})

test('a limit - gives the error when the promise does not settle', async t => {
  await t.throwsAsync(withLimit(new Promise(() => undefined), 1, late), { message: 'late' })
})

test('a limit - a promise that fails after it harms nobody', async t => {
  let fail: (error: Error) => void = () => undefined
  const slow = new Promise<never>((_, reject) => (fail = reject))
  await t.throwsAsync(withLimit(slow, 1, late), { message: 'late' })
  fail(new Error('afterwards'))
  await t.throwsAsync(slow, { message: 'afterwards' })
})

test('a limit - a signal ends the wait with its reason, before or during it', async t => {
  const reason = new Error('called off')
  const slow = new Promise(() => undefined)
  await t.throwsAsync(withLimit(slow, 1000, late, AbortSignal.abort(reason)), { is: reason })
  const given = new AbortController()
  const limited = withLimit(slow, 1000, late, given.signal)
  given.abort(reason)
  await t.throwsAsync(limited, { is: reason })
  given.abort()
  t.is(await withLimit(Promise.resolve(5), 1000, late, new AbortController().signal), 5)
})

test('a limit - one that is longer than timers can be is not over at once', async t => {
  let settle: (value: number) => void = () => undefined
  const slow = new Promise<number>(resolve => (settle = resolve))
  const limited = withLimit(slow, 2 ** 40, late)
  const numbers = new Subject<number>()
  const first = firstWhere(numbers, even, 2 ** 40, late)
  // A timer that overflows fires after 1 ms: this one is set after those and for longer.
  setTimeout(() => {
    settle(1)
    numbers.next(2)
  }, 20)
  t.is(await limited, 1)
  t.is(await first, 2)
})

test('the first value - is the first for which the test holds, and nobody listens after it', async t => {
  const numbers = new Subject<number>()
  const first = firstWhere(numbers, even, 1000, late)
  for (const value of [1, 3, 4, 6]) numbers.next(value)
  t.is(await first, 4)
  t.false(numbers.observed)
})

test('the first value - is the error where none comes in time, others do, or the source ends', async t => {
  await t.throwsAsync(
    firstWhere(NEVER, () => true, 1, late),
    { message: 'late' },
  )
  await t.throwsAsync(
    firstWhere(EMPTY, () => true, 1000, late),
    { message: 'late' },
  )
  await t.throwsAsync(firstWhere(of(1, 3), even, 1000, late), { message: 'late' })
  const odd = new Subject<number>()
  const first = firstWhere(odd, even, 5, late)
  odd.next(1)
  await t.throwsAsync(first, { message: 'late' })
  t.false(odd.observed)
})

test('the first value - passes an error of the source on', async t => {
  const broken = throwError(() => new Error('broken'))
  await t.throwsAsync(
    firstWhere(broken, () => true, 1000, late),
    { message: 'broken' },
  )
})
