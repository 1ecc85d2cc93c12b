import { readFileSync } from 'node:fs'
import test from 'ava'
import { forkProbe } from '../../../actors/bin/profile/fork-probe.js'
import { keepingMemory } from '../../../actors/machine/index.js'

test('keeping memory - what the user has set stays', t => {
  const env = keepingMemory({ MALLOC_ARENA_MAX: '7', HOME: '/somewhere' })
  t.like(env, { MALLOC_ARENA_MAX: '7', HOME: '/somewhere' })
  t.true(Number(env['MALLOC_TRIM_THRESHOLD_']) > 0)
})

const withProcesses = process.platform === 'linux' ? test : test.skip

withProcesses('keeping memory - a process that measures is told to', t => {
  const probe = forkProbe(false)
  t.teardown(() => probe.kill('SIGKILL'))
  t.regex(readFileSync(`/proc/${probe.pid}/environ`, 'latin1'), /MALLOC_TRIM_THRESHOLD_=\d+/)
})
