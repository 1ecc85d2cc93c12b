import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
import { inCheckout } from '../../support/index.js'

async function callsUntilCompiled(how: 'usual' | 'early'): Promise<{ calls: number; stderr: string }> {
  const script = inCheckout('dist/test/support/compiled-after.js')
  const flags = ['--allow-natives-syntax', '--no-concurrent-recompilation']
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...flags, script, how])
  return { calls: Number(stdout), stderr }
}

test('a function that seldom runs - is compiled after few calls', async t => {
  const [usual, early] = [await callsUntilCompiled('usual'), await callsUntilCompiled('early')]
  t.log(`${early.calls} calls, otherwise ${usual.calls}`)
  t.is(early.stderr, '', 'V8 knows the flag')
  t.true(
    early.calls > 0 && early.calls < 300 && early.calls <= usual.calls,
    `${early.calls} and ${usual.calls}`,
  )
})
