import test from 'ava'
import { type OnnxSession, openSession } from '../../../actors/session/index.js'
import { rehearse } from '../../../actors/session/rehearse.js'
import { laborious } from '../../support/laborious.js'

test('a rehearsal - under a quota tells what the processor spends, as the quota lets it come', async t => {
  const session = await openSession(laborious(2))
  t.teardown(() => session.release())
  const whole = await rehearse(session, session.inputs, Infinity)
  const tenth = await rehearse(session, session.inputs, 0.1)
  const half = await rehearse(session, session.inputs, 0.5)
  t.true(whole > 0)
  // 0.486 to 0.086: what a worker takes beside is left out; measured times vary.
  t.true(tenth / half > 2.8 && tenth / half < 11, `${tenth} and ${half} ms`)
})

test('a rehearsal - under next to no quota is still finite', async t => {
  const session = await openSession(laborious(1))
  t.teardown(() => session.release())
  const ms = await rehearse(session, session.inputs, 0.01)
  t.true(ms > 0 && Number.isFinite(ms), `${ms} ms`)
})

test('a rehearsal - under a small quota takes as many samples as under a whole core', async t => {
  const runs = async (quota: number) => {
    const session = new Slow(25)
    await rehearse(session, session.inputs, quota)
    return session.runs
  }
  const [whole, fifth] = [await runs(1), await runs(0.2)]
  // 21 at the most in 0.5 s by the clock, and 51, which is the most, in 2.5 s, unless others hold each up by more than it takes.
  t.true(fifth > 2 * whole, `${whole} and ${fifth} runs`)
})

/** Keeps the processor busy for so long with each run. */
class Slow implements OnnxSession {
  runs = 0
  readonly inputNames = []
  readonly outputNames = []
  readonly inputs = []
  readonly outputs = []

  constructor(private readonly ms: number) {}

  run(): Promise<Record<string, never>> {
    this.runs += 1
    const until = performance.now() + this.ms
    while (performance.now() < until);
    return Promise.resolve({})
  }

  endProfiling(): void {}

  async release(): Promise<void> {}
}
