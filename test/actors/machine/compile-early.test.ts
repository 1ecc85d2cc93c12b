import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
import { inCheckout } from '../../support/index.js'

async function callsUntilCompiled(how: 'usual' | 'early'): Promise<number> {
  const script = inCheckout('dist/test/support/compiled-after.js')
  const { stdout } = await promisify(execFile)(process.execPath, [script, how])
  return Number(stdout)
}

test('a function that seldom runs - is compiled after fewer calls', async t => {
  const [usual, early] = [await callsUntilCompiled('usual'), await callsUntilCompiled('early')]
  t.log(`${early} calls, otherwise ${usual}`)
  t.true(early > 0 && early < usual / 2, `${early} and ${usual}`)
})
