import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { inCheckout } from '../support/index.js'

const PAGES = [
  'README.md',
  'core/README.md',
  'core/planner/README.md',
  'config/README.md',
  'broker/README.md',
  'actors/ingress/README.md',
]

function page(path: string): string {
  return readFileSync(inCheckout(path), 'utf8')
}

test('the README - its program runs as it stands, and prints what stands below it', async t => {
  const [, program = '', output] = /```js\n([^]*?)```[^`]*```text\n([^]*?)```/.exec(page('README.md')) ?? []
  t.regex(program, /embedded/)
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    cwd: inCheckout('.'),
    timeout: 60_000,
  })
  t.is((await run).stdout, output ?? 'no output stands there')
})

for (const path of PAGES) {
  test(`${path} - files and headings that it refers to are there`, t => {
    const links = [...page(path).matchAll(/\]\((?!https?:)([^)#]*)#?([^)]*)\)/g)]
    const broken = links.filter(([, file = '', heading = '']) => {
      const target = file === '' ? path : join(dirname(path), file)
      return !existsSync(inCheckout(target)) || !hasHeading(target, heading)
    })
    t.is(broken.map(([link]) => link).join(' '), '')
  })
}

test('the promises - name files and tests that are there', t => {
  const files = [...page('core/README.md').matchAll(/`([a-z/-]+\/)(\{[a-z,-]+\}|[a-z-]+)(\.test)?\.ts`/g)]
  const paths = files.flatMap(([, folder = '', names = '', kind = '']) =>
    names.split(/[{},]/).flatMap(name => (name === '' ? [] : [`${folder}${name}${kind}.ts`])),
  )
  t.true(paths.length > 40)
  t.deepEqual(
    paths.filter(path => !existsSync(inCheckout(path))),
    [],
  )
})

function hasHeading(path: string, wanted: string): boolean {
  if (wanted === '') return true
  const headings = [...page(path).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-'),
  )
  return headings.includes(wanted)
}
