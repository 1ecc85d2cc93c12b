import test from 'ava'
import { Reconciler } from '../../../actors/worker/reconcile.js'
import { MillraceError } from '../../../core/errors.js'
import { settled } from '../../support/actors.js'
import { ACTIVATION } from '../../support/staging.js'

test('reconciling - what is not wanted any more while it loads is given up at once, and what takes its place waits for that', async t => {
  const said: string[] = []
  let fail: (error: MillraceError) => void = () => undefined
  const reconciler = new Reconciler({
    fetch: () => Promise.resolve('model.onnx'),
    activate: ({ term }) => {
      said.push(`activate ${term}`)
      if (term > 1) return Promise.resolve({ link: 'peer', runMs: 1 })
      return new Promise((_, reject) => (fail = reject))
    },
    passivate: async () => {
      said.push('passivate')
    },
    onChange: () => undefined,
  })
  reconciler.apply([{ ...ACTIVATION, term: 1 }])
  await settled()
  reconciler.apply([{ ...ACTIVATION, term: 2 }])
  await settled()
  t.deepEqual(said, ['activate 1', 'passivate'])
  fail(new MillraceError('STOPPED', 'it was given up'))
  await settled()
  t.deepEqual(said, ['activate 1', 'passivate', 'activate 2'])
  t.like(reconciler.actual(), [{ state: 'ready' }])
  await reconciler.stop()
})
