import { spawnSync } from 'node:child_process'
import test from 'ava'
import { namesOf } from '../../actors/bin/emulator/names.js'
import { removeNetwork } from '../../actors/bin/emulator/network.js'
import { leftOf, whyNotEmulated } from '../support/emulation.js'

test('network - what a dead run left may be taken away by several at once', async t => {
  const reason = whyNotEmulated()
  if (reason !== undefined) {
    t.pass()
    return t.log(`not tested here: ${reason}`)
  }
  for (let round = 0; round < 3; round++) {
    const run = `test${process.pid}${round}`
    const names = namesOf(run)
    for (const space of [names.switch, ...['a', 'b', 'c'].map(id => names.namespace(id))]) {
      t.is(spawnSync('ip', ['netns', 'add', space]).status, 0)
    }
    await t.notThrowsAsync(Promise.all([1, 2, 3].map(() => removeNetwork(names))))
    t.deepEqual(leftOf(run), [])
  }
})
