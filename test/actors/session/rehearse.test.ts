import test from 'ava'
import { openSession } from '../../../actors/session/index.js'
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
