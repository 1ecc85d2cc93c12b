import test from 'ava'
import { SilenceWatch } from '../../broker/silence.js'
import { inTurns } from '../support/actors.js'

/** A connection that answers so many questions, and then none. */
function answering(questions: number) {
  let asked = 0
  const watch = new SilenceWatch(() => (++asked <= questions ? Promise.resolve() : new Promise(() => {})))
  return { watch, asked: () => asked }
}

test('a silent connection - is found out by what leaves, and only then', async t => {
  const { watch, asked } = answering(0)
  t.is(asked(), 0)
  const { signal } = watch
  watch.sent()
  await inTurns(() => signal.aborted)
  t.is(asked(), 1)
})

test('a silent connection - is found out also where nothing leaves after the message that it lost', async t => {
  const { watch, asked } = answering(1)
  watch.sent()
  await inTurns(() => asked() === 1)
  const { signal } = watch
  // At once after an answer: it is not yet time to ask again.
  watch.sent()
  await inTurns(() => signal.aborted)
  t.is(asked(), 2)
})

test('a connection that answers - is asked no more when nothing leaves', async t => {
  const { watch, asked } = answering(Infinity)
  for (let i = 0; i < 5; i++) watch.sent()
  await inTurns(() => asked() === 2)
  t.false(watch.signal.aborted)
})
