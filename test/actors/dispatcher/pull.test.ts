import test from 'ava'
import { lastValueFrom, take, toArray } from 'rxjs'
import { pullFrom } from '../../../actors/dispatcher/pull.js'

const room = () => Promise.resolve()

/** A source that says what happens to it. */
function source(items: number, log: string[] = []) {
  return {
    log,
    *[Symbol.iterator]() {
      try {
        for (let i = 0; i < items; i++) {
          log.push(`asked ${i}`)
          yield i
        }
        log.push('ended')
      } finally {
        log.push('closed')
      }
    },
  }
}

/** Lets whatever is settled have its effect. */
function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

test('pulling - gives all items in order, of plain and asynchronous sources', async t => {
  t.deepEqual(await lastValueFrom(pullFrom([1, 2, 3], room).pipe(toArray())), [1, 2, 3])
  async function* later() {
    yield* [4, 5]
  }
  t.deepEqual(await lastValueFrom(pullFrom(later(), room).pipe(toArray())), [4, 5])
  t.deepEqual(await lastValueFrom(pullFrom([], room).pipe(toArray())), [])
})

test('pulling - asks for no item before there is room for it', async t => {
  const gates: (() => void)[] = []
  const { log, ...items } = source(3)
  const got: number[] = []
  const subscription = pullFrom(
    { ...items },
    () => new Promise<void>(resolve => gates.push(resolve)),
  ).subscribe(item => got.push(item))
  for (let i = 0; i < 3; i++) {
    await settled()
    t.is(gates.length, i + 1)
    t.is(log.length, i)
    gates[i]?.()
    await settled()
    t.is(log.at(-1), `asked ${i}`)
  }
  t.deepEqual(got, [0, 1, 2])
  subscription.unsubscribe()
})

test('pulling - an early unsubscribe closes the source, which is asked no more', async t => {
  const items = source(100)
  t.deepEqual(await lastValueFrom(pullFrom(items, room).pipe(take(2), toArray())), [0, 1])
  await settled()
  t.deepEqual(items.log, ['asked 0', 'asked 1', 'closed'])
})

test('pulling - an unsubscribe closes a source that waits for room that never comes', async t => {
  const items = source(100)
  let first = true
  const once = () => (first ? ((first = false), Promise.resolve()) : new Promise<void>(() => undefined))
  const subscription = pullFrom(items, once).subscribe()
  await settled()
  subscription.unsubscribe()
  await settled()
  t.deepEqual(items.log, ['asked 0', 'closed'])
})

test('pulling - an unsubscribe closes a source that is being asked for an item that never comes', async t => {
  let closed = 0
  const silent: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise(() => undefined),
      return: async () => ({ done: true, value: void closed++ }),
    }),
  }
  const subscription = pullFrom(silent, room).subscribe()
  await settled()
  subscription.unsubscribe()
  await settled()
  t.is(closed, 1)
})

test('pulling - a source that has ended or failed is not closed again', async t => {
  let closed = 0
  const iterator = (next: () => IteratorResult<number>): Iterable<number> => ({
    [Symbol.iterator]: () => ({ next, return: () => ({ done: true, value: void closed++ }) }),
  })
  await lastValueFrom(
    pullFrom(
      iterator(() => ({ done: true, value: undefined })),
      room,
    ),
    { defaultValue: 0 },
  )
  const broken = iterator(() => {
    throw new Error('broken')
  })
  await t.throwsAsync(lastValueFrom(pullFrom(broken, room)), { message: 'broken' })
  await settled()
  t.is(closed, 0)
})

test('pulling - errors of the source and of the room pass on, and the latter closes the source', async t => {
  async function* failing() {
    yield 1
    throw new Error('camera gone')
  }
  await t.throwsAsync(lastValueFrom(pullFrom(failing(), room)), { message: 'camera gone' })
  const items = source(100)
  let rooms = 0
  const failsLater = async () => {
    if (rooms++ > 0) throw new Error('closed')
  }
  await t.throwsAsync(lastValueFrom(pullFrom(items, failsLater)), { message: 'closed' })
  await settled()
  t.deepEqual(items.log, ['asked 0', 'closed'])
})

test('pulling - a source that cannot be closed cleanly harms nobody', async t => {
  const stubborn: Iterable<number> = {
    [Symbol.iterator]: () => ({
      next: () => ({ done: false, value: 1 }),
      return: () => {
        throw new Error('stuck')
      },
    }),
  }
  t.is(await lastValueFrom(pullFrom(stubborn, room).pipe(take(1))), 1)
  await settled()
})
