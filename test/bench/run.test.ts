import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const program = fileURLToPath(new URL('run.js', import.meta.url))

for (const [title, options] of [
  ['no name', []],
  ['a name that it does not know', ['planer']],
  ['an option that a bench does not take', ['planner', '--foo']],
  ['a link that is none', ['defer', '--link', 'fast']],
  ['a model that it cannot build', ['scale', '--models', 'resnet50,resnet99']],
  ['a share of a core above one', ['defer', '--cpu', '1.5']],
  ['no time at all', ['soak', '--minutes', '0']],
  ['a number of trials that is none', ['planner', '--trials', 'many']],
] as const) {
  test(`bench - ${title}: it lists the benches and their options, and exits with 2`, t => {
    const { status, stderr, stdout } = spawnSync(process.execPath, [program, ...options], {
      encoding: 'utf8',
    })
    t.is(status, 2)
    t.regex(stderr, /usage: npm run bench[^]*planner \[--json\] \[--trials N\]/)
    t.is(stdout, '')
  })
}
