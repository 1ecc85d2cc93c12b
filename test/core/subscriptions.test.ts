import test from 'ava'
import { Subscriptions } from '../../core/subscriptions.js'

const message = (topic: string, retained = false) => ({
  topic,
  payload: new Uint8Array(0),
  owned: true,
  retained,
})

test('subscriptions - each filter is asked for once, at the highest quality that a handler wants', t => {
  const subscriptions = new Subscriptions(() => undefined)
  const high = subscriptions.add('a', 1, () => undefined)
  const low = subscriptions.add('a', 0, () => undefined)
  subscriptions.add('b', 0, () => undefined)
  t.deepEqual(
    [...subscriptions.filters()],
    [
      ['a', 1],
      ['b', 0],
    ],
  )
  t.false(subscriptions.remove(high))
  t.is(subscriptions.filters().get('a'), 0)
  t.true(subscriptions.remove(low))
  t.false(subscriptions.remove(low))
  t.deepEqual([...subscriptions.filters().keys()], ['b'])
})

test('subscriptions - an older value that was kept does not follow a newer one that was live', t => {
  const subscriptions = new Subscriptions(() => undefined)
  const heard: boolean[] = []
  subscriptions.add('#', 0, ({ retained }) => heard.push(retained))
  for (const retained of [false, true, true, false]) subscriptions.deliver(message('x', retained))
  subscriptions.deliver(message('y', true))
  t.deepEqual(heard, [false, false, true])
  subscriptions.renew()
  subscriptions.deliver(message('x', true))
  t.deepEqual(heard, [false, false, true, true])
})

test('subscriptions - what a handler remembers is bounded, and the newest topics stay', t => {
  const subscriptions = new Subscriptions(() => undefined)
  const heard: string[] = []
  subscriptions.add('+', 0, ({ topic }) => heard.push(topic))
  for (let i = 0; i <= 10_000; i++) subscriptions.deliver(message(`${i}`, true))
  heard.length = 0
  subscriptions.deliver(message('10000', true))
  subscriptions.deliver(message('0', true))
  t.deepEqual(heard, ['0'])
})

test('subscriptions - a handler that is removed by another one still hears of the message under way', t => {
  const subscriptions = new Subscriptions(() => undefined)
  const heard: string[] = []
  subscriptions.add('x', 0, () => {
    heard.push('first')
    subscriptions.clear()
  })
  subscriptions.add('x', 0, () => heard.push('second'))
  subscriptions.deliver(message('x'))
  subscriptions.deliver(message('x'))
  t.deepEqual(heard, ['first', 'second'])
})
