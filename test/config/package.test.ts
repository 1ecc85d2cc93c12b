import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import test from 'ava'
import { inCheckout } from '../support/index.js'

interface Manifest {
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>
}

test('the package - holds all that its doors lead to, and nothing of the tests and examples', async t => {
  const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: inCheckout('.'),
  })
  const [packed] = JSON.parse(stdout) as { readonly files: readonly { readonly path: string }[] }[]
  const files = new Set(packed?.files.map(({ path }) => path))
  const { bin, exports } = JSON.parse(readFileSync(inCheckout('package.json'), 'utf8')) as Manifest
  const doors = Object.values(exports).flatMap(door =>
    typeof door === 'string' ? door : [door.types, door.default],
  )
  for (const path of [...Object.values(bin), ...doors, 'README.md', 'LICENSE', 'CHANGELOG.md']) {
    t.true(files.has(path.replace('./', '')), path)
  }
  t.deepEqual(
    [...files].filter(path => /(^|\/)(test|examples)\/|\.map$/.test(path)),
    [],
  )
})
