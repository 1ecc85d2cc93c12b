import test from 'ava'
import { millrace } from '../../../support/cli.js'
import { DIGITS_MODEL } from '../../../support/digits-frames.js'

interface Summary {
  readonly seed: number
  readonly frames: Record<string, number>
  readonly faults: readonly { fault: string; stage: number; detectMs: number; resumeMs: number }[]
}

test.serial(
  'chaos - kills a worker under a stream of frames, finds every frame well, and says how long it took',
  async t => {
    t.timeout(180_000)
    const args = [
      'chaos',
      DIGITS_MODEL,
      '--fault',
      'kill',
      '--stage',
      'middle',
      '--minutes',
      '0',
      '--seed',
      '7',
      '--json',
    ]
    const ended = await millrace(args)
    t.is(ended.status, 0, ended.stderr)
    const { seed, frames, faults } = JSON.parse(ended.stdout) as Summary
    t.is(seed, 7)
    t.like(frames, { lost: 0, duplicates: 0, misordered: 0, wrong: 0 })
    t.true((frames['admitted'] ?? 0) >= 120 && frames['predicted'] === frames['admitted'])
    t.like(faults, [{ fault: 'kill', stage: 1 }])
    t.true((faults[0]?.detectMs ?? -1) > 0 && (faults[0]?.resumeMs ?? -1) >= (faults[0]?.detectMs ?? 0))
    t.deepEqual([ended.processes, ended.files], [[], []])
  },
)

test.serial(
  'chaos - refuses faults that it does not know, and a broker that forgets beside others',
  async t => {
    for (const list of ['nonsense', 'kill,restart-broker']) {
      const { status, stderr } = await millrace(['chaos', DIGITS_MODEL, '--fault', list])
      t.is(status, 2)
      t.regex(stderr, /OPTION_INVALID.*fault/)
    }
  },
)
