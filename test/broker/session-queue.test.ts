import test from 'ava'
import fc from 'fast-check'
import { SessionQueue } from '../../broker/session-queue.js'

/** A message of 300 bytes in all: 256, a topic of 4, a payload of 40. */
function message(brokerCounter: number, payload = 40) {
  return { cmd: 'publish', topic: 'abcd', payload: Buffer.alloc(payload), brokerCounter }
}

function counters(queue: SessionQueue) {
  return queue.waiting().map(({ brokerCounter }) => brokerCounter)
}

test('the session queue - keeps messages in order until they are acknowledged', t => {
  const queue = new SessionQueue(10_000)
  for (const counter of [1, 2, 3]) queue.add(message(counter))
  queue.update({ brokerCounter: 2, messageId: 77 })
  t.is(queue.acknowledge(78), undefined)
  t.is(queue.acknowledge(undefined), undefined)
  t.is(queue.acknowledge(77)?.brokerCounter, 2)
  t.is(queue.acknowledge(77), undefined)
  t.deepEqual(counters(queue), [1, 3])
  t.like(queue, { messages: 2, bytes: 600 })
})

test('the session queue - lets the oldest go above its bound, sent or not, or the one that cannot fit', t => {
  const queue = new SessionQueue(900)
  for (const counter of [1, 2, 3]) t.is(queue.add(message(counter)), 0)
  queue.update({ brokerCounter: 1, messageId: 5 })
  t.is(queue.add(message(4)), 1)
  t.deepEqual(counters(queue), [2, 3, 4])
  t.is(queue.acknowledge(5), undefined)
  t.is(queue.add(message(5, 641)), 1)
  t.deepEqual(counters(queue), [2, 3, 4])
  t.is(queue.add(message(6, 640)), 3)
  t.like(queue, { messages: 1, bytes: 900 })
})

test('the session queue - counts messages without a payload too', t => {
  const queue = new SessionQueue(1_000)
  for (let counter = 1; counter <= 10; counter++) queue.add(message(counter, 0))
  t.is(queue.messages, 3)
})

test('the session queue - keeps the release of a message in its place, until that is acknowledged', t => {
  const queue = new SessionQueue(10_000)
  for (const counter of [1, 2]) queue.add(message(counter))
  queue.update({ brokerCounter: 1, messageId: 9 })
  queue.update({ cmd: 'pubrel', messageId: 9 })
  t.deepEqual(
    queue.waiting().map(({ cmd }) => cmd),
    ['pubrel', 'publish'],
  )
  t.is(queue.bytes, 256 + 300)
  queue.update({ cmd: 'pubrel', messageId: 9, brokerCounter: 1_000 })
  t.is(queue.acknowledge(9)?.cmd, 'pubrel')
  t.deepEqual(counters(queue), [2])
})

test('the session queue - holds the newest messages that fit, and knows their bytes, after any steps', t => {
  const steps = fc.array(fc.tuple(fc.constantFrom('add', 'send', 'acknowledge'), fc.nat({ max: 40 })), {
    maxLength: 100,
    size: 'max',
  })
  const property = fc.property(steps, steps => {
    const queue = new SessionQueue(1_500)
    let model: number[] = []
    let counter = 0
    for (const [what, number] of steps) {
      if (what === 'add') {
        counter++
        model.push(counter)
        model = model.slice(-5)
        queue.add(message(counter))
      } else if (what === 'send') queue.update({ brokerCounter: number, messageId: 100 + number })
      else {
        const gone = queue.acknowledge(100 + number)?.brokerCounter
        model = model.filter(each => each !== gone)
      }
      t.deepEqual(counters(queue), model)
      t.is(queue.bytes, model.length * 300)
    }
  })
  fc.assert(property, { numRuns: 100 })
})
