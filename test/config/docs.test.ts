import { readFileSync } from 'node:fs'
import test from 'ava'
import { z } from 'zod'
import { commands } from '../../actors/bin/commands/index.js'
import { ERRORS } from '../../core/errors.js'
import { defineOptions } from '../../core/options.js'
import { inCheckout } from '../support/index.js'
import { fill } from '../support/docs/fill.js'
import { errorsTable, generatedSections, optionsTable } from '../support/docs/tables.js'

test('documentation - the tables of options and errors are those of the code', t => {
  const text = readFileSync(inCheckout('config/README.md'), 'utf8')
  t.is(text, fill(text, generatedSections()), 'config/README.md is not current: run `npm run docs`')
})

test('documentation - has every command with all its options, and every error', t => {
  const sections = generatedSections()
  for (const { name, options } of commands) {
    const [, rest = ''] = (sections['commands'] ?? '').split(`### \`millrace ${name}`)
    const [own = ''] = rest.split('###')
    t.is(own.split('\n').filter(line => line.startsWith('| `--')).length, Object.keys(options).length, name)
  }
  for (const code of Object.keys(ERRORS)) t.true(sections['errors']?.includes(`| \`${code}\` |`), code)
})

test('documentation - a row says what an option takes, as its check has it', t => {
  const table = optionsTable(
    defineOptions({
      waitMs: { check: z.coerce.number().int().min(100), default: 5_000, value: 'MS', doc: 'A wait.' },
      port: { check: z.number().int().min(0).max(65_535), value: 'PORT', doc: 'A port.' },
      order: { check: z.enum(['a', 'b']), default: 'a', value: 'a|b', doc: 'Either | or.' },
      fast: { check: z.boolean(), default: false, doc: 'A switch.' },
      name: { check: z.string(), required: true, value: 'NAME', doc: 'A name.' },
    }),
  )
  t.deepEqual(table.split('\n').slice(2), [
    '| `waitMs` | MS, 100 or more | `5000` | A wait. |',
    '| `port` | PORT, 0 to 65,535 |  | A port. |',
    '| `order` | `a` or `b` | `a` | Either \\| or. |',
    '| `fast` | yes or no | `false` | A switch. |',
    '| `name` | NAME | required | A name. |',
  ])
})

test('documentation - a row says what an error means, the way out, and whether to try again', t => {
  const table = errorsTable({ LATE: { retryable: true, meaning: 'it was late', remedy: 'wait' } })
  t.is(table.split('\n')[2], '| `LATE` | it was late | wait | yes |')
})

test('documentation - a table goes between its markers, and all around stays', t => {
  const text = 'a\n<!-- begin x y -->\nold\n<!-- end x y -->\nb\n<!-- begin z --><!-- end z -->'
  const filled = fill(text, { 'x y': 'new', z: '$& $1' })
  t.is(
    filled,
    'a\n<!-- begin x y -->\n\nnew\n\n<!-- end x y -->\nb\n<!-- begin z -->\n\n$& $1\n\n<!-- end z -->',
  )
  t.is(fill(filled, { 'x y': 'new', z: '$& $1' }), filled)
  t.throws(() => fill(text, { 'x y': 'new' }), { message: /'z'/ })
  t.throws(() => fill(text, { 'x y': 'new', z: '', w: '' }), { message: /no place for w/ })
})
