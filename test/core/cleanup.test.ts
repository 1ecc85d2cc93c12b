import test from 'ava'
import { Cleanup } from '../../core/cleanup.js'
import { MillraceError } from '../../core/errors.js'

const never = () => new Promise<void>(() => undefined)

test('cleaning up - undoes the newest first, one after the other', async t => {
  const cleanup = new Cleanup()
  const done: string[] = []
  for (const what of ['first', 'second', 'third']) {
    cleanup.defer(what, async () => {
      done.push(`${what} begins`)
      await Promise.resolve()
      done.push(`${what} ends`)
    })
  }
  t.deepEqual(await cleanup.run(), [])
  t.deepEqual(done, [
    'third begins',
    'third ends',
    'second begins',
    'second ends',
    'first begins',
    'first ends',
  ])
})

test('cleaning up - a step that fails, throws or hangs is reported by name and keeps no other from running', async t => {
  const cleanup = new Cleanup(5)
  const done: string[] = []
  cleanup.defer('the last', async () => done.push('the last'))
  cleanup.defer('the bus', () => Promise.reject(new Error('gone')))
  cleanup.defer('the port', () => {
    throw new Error('thrown')
  })
  cleanup.defer('the worker', never)
  cleanup.defer('the pipeline', () => Promise.reject(new MillraceError('BUS_CLOSED', 'closed')))
  const failures = await cleanup.run()
  t.deepEqual(done, ['the last'])
  t.deepEqual(
    failures.map(({ code, message }) => [code, message]),
    [
      ['BUS_CLOSED', 'closed'],
      ['STOPPED', 'the worker took more than 5 ms'],
      ['INTERNAL', 'the port: thrown'],
      ['INTERNAL', 'the bus: gone'],
    ],
  )
})

test('cleaning up - happens once, whoever asks and however often', async t => {
  const cleanup = new Cleanup()
  let runs = 0
  cleanup.defer('it', async () => {
    runs++
    throw new Error('no')
  })
  const [first, second] = await Promise.all([cleanup.run(), cleanup.run()])
  t.is(runs, 1)
  t.deepEqual(first, second)
  t.is((await cleanup.run()).length, 1)
  t.is(runs, 1)
})

test('cleaning up - includes what a step defers while it runs', async t => {
  const cleanup = new Cleanup()
  const done: string[] = []
  cleanup.defer('outer', async () => {
    cleanup.defer('inner', async () => done.push('inner'))
  })
  await cleanup.run()
  t.deepEqual(done, ['inner'])
})
