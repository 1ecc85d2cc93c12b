import test from 'ava'
import { z } from 'zod'
import { defineOptions, parseOptions } from '../../core/options.js'
import { MillraceError } from '../../core/errors.js'
import { codeOf } from '../support/errors.js'

const table = defineOptions({
  window: { check: z.int().min(1), default: 4, doc: 'Frames in flight.' },
  name: { check: z.string(), required: true, doc: 'Name.' },
  note: { check: z.string(), doc: 'Anything.' },
  quick: { check: z.boolean(), default: false, doc: 'Whether.' },
})

function messageOf(input: Record<string, unknown>): string {
  try {
    parseOptions(table, input, 'deploy')
    return ''
  } catch (error) {
    return error instanceof MillraceError ? error.message : 'another error'
  }
}

test('options - defaults fill in what is left out or undefined, and nothing else is there', t => {
  t.deepEqual(parseOptions(table, { name: 'x' }, 'deploy'), { window: 4, name: 'x', quick: false })
  t.deepEqual(parseOptions(table, { name: 'x', window: undefined, note: undefined }, 'deploy'), {
    window: 4,
    name: 'x',
    quick: false,
  })
})

test('options - a value that is given wins over the default', t => {
  t.deepEqual(parseOptions(table, { name: '', window: 9, quick: true, note: 'n' }, 'deploy'), {
    window: 9,
    name: '',
    quick: true,
    note: 'n',
  })
})

test('options - an unknown one is an error that names it, the caller and what there is', t => {
  t.is(
    codeOf(() => parseOptions(table, { name: 'x', windw: 1 }, 'deploy')),
    'OPTION_UNKNOWN',
  )
  t.regex(messageOf({ name: 'x', windw: 1 }), /deploy.*'windw'.*window, name, note, quick/)
  for (const key of ['constructor', 'toString', 'hasOwnProperty']) {
    t.is(
      codeOf(() => parseOptions(table, { name: 'x', [key]: 1 }, 'deploy')),
      'OPTION_UNKNOWN',
    )
  }
  t.is(
    codeOf(() => parseOptions({}, { any: 1 }, 'nothing')),
    'OPTION_UNKNOWN',
  )
})

test('options - a value that an option cannot take is an error that names the option', t => {
  for (const window of [0, 1.5, NaN, '4', null, {}, []]) {
    t.is(
      codeOf(() => parseOptions(table, { name: 'x', window }, 'deploy')),
      'OPTION_INVALID',
    )
  }
  t.regex(messageOf({ name: 'x', window: 0 }), /^deploy: option 'window' /)
  t.notRegex(messageOf({ name: 'x', window: 0 }), /\n/)
})

test('options - one that is required must be there', t => {
  t.is(
    codeOf(() => parseOptions(table, {}, 'deploy')),
    'OPTION_INVALID',
  )
  t.is(messageOf({}), "deploy: option 'name': it is required")
})

test('options - the input stays as it is', t => {
  const input = Object.freeze({ name: 'x' })
  parseOptions(table, input, 'deploy')
  t.deepEqual(input, { name: 'x' })
})
