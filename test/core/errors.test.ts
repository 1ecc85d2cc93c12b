import test from 'ava'
import { ERRORS, isErrorCode, messageOf, MillraceError } from '../../core/errors.js'

for (const [code, row] of Object.entries(ERRORS)) {
  test(`the error table - ${code} says what it means and what to do`, t => {
    t.regex(code, /^[A-Z]+(_[A-Z]+)*$/)
    t.true(row.meaning.length > 10)
    t.true(row.remedy.length > 10 || row.remedy === 'open a new one')
  })
}

test('the error table - has no code that objects inherit', t => {
  for (const code of ['constructor', 'toString', '__proto__', '']) t.false(isErrorCode(code))
  t.true(isErrorCode('INTERNAL'))
})

test('an error - knows whether trying again can help, and the way out', t => {
  t.true(new MillraceError('PUBLISH_TIMEOUT', 'slow').retryable)
  t.false(new MillraceError('MODEL_INVALID', 'no').retryable)
  t.is(new MillraceError('MODEL_INVALID', 'no').remedy, ERRORS.MODEL_INVALID.remedy)
})

test('an error - travels as code and message, and an unknown code comes back as INTERNAL', t => {
  const info = new MillraceError('NO_WORKER', 'none', { cause: new Error('x') }).toInfo()
  t.deepEqual(info, { code: 'NO_WORKER', message: 'none' })
  t.like(MillraceError.fromInfo(info), { code: 'NO_WORKER', message: 'none' })
  t.like(MillraceError.fromInfo({ ...info, code: 'FUTURE' as 'NO_WORKER' }), {
    code: 'INTERNAL',
    message: 'none',
  })
})

test('an error - is made of anything that was thrown, once', t => {
  const own = new MillraceError('NO_WORKER', 'none')
  t.is(MillraceError.from(own, 'INTERNAL', 'context: '), own)
  const cause = new Error('inner')
  const made = MillraceError.from(cause, 'PORT_TAKEN', 'context: ')
  t.like(made, { code: 'PORT_TAKEN', message: 'context: inner' })
  t.is(made.cause, cause)
  t.like(MillraceError.from('text'), { code: 'INTERNAL', message: 'text' })
  t.is(messageOf(undefined), 'undefined')
})
