import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { Subject } from 'rxjs'
import { measureSpeed, runBenchmark } from '../../../actors/benchmark/index.js'
import { relativeSpeed } from '../../../core/speed.js'
import { rejection, testFolder, until } from '../../support/actors.js'

const SPEED = { convGflops: 20, matmulGflops: 30 }

/** A benchmark that counts its runs, and ends when it is told. */
function benchmark({ lasting = true, held = false } = {}) {
  const state = { runs: 0, begun$: new Subject<void>(), end$: new Subject<void>() }
  const measure = async () => {
    state.runs++
    const end = held ? until(state.end$) : undefined
    state.begun$.next()
    await end
    return { speed: SPEED, lasting }
  }
  return { ...state, measure, runs: () => state.runs }
}

test('benchmark - computes at a speed that is plausible, and takes a few seconds of a core at most', async t => {
  const before = process.cpuUsage()
  const { speed } = await runBenchmark()
  const { user, system } = process.cpuUsage(before)
  for (const gflops of Object.values(speed)) t.true(gflops > 0.01 && gflops < 5_000, String(gflops))
  t.true(user + system < 6e6, `${user + system}`)
})

test('benchmark - that is stopped ends, and says so', async t => {
  const stopping = new AbortController()
  const running = runBenchmark(stopping.signal)
  stopping.abort()
  t.is(await rejection(running), 'STOPPED')
  t.is(await rejection(runBenchmark(stopping.signal)), 'STOPPED')
})

test('speed - is measured once for a machine, and read from then on', async t => {
  const folder = join(await testFolder(t), 'new')
  const { measure, runs } = benchmark()
  t.deepEqual(await measureSpeed({ folder, measure }), SPEED)
  t.deepEqual(await measureSpeed({ folder, measure }), SPEED)
  t.is(runs(), 1)
  t.is((await readdir(folder)).length, 1)
})

for (const text of [
  '',
  '{"speed":',
  '{"speed":{"convGflops":-1,"matmulGflops":2},"measuredAt":"2026-01-01T00:00:00Z"}',
]) {
  test(`speed - a kept figure that is spoilt is measured anew, such as '${text}'`, async t => {
    const folder = await testFolder(t)
    const { measure, runs } = benchmark()
    await measureSpeed({ folder, measure })
    const [name = ''] = await readdir(folder)
    await writeFile(join(folder, name), text)
    t.deepEqual(await measureSpeed({ folder, measure }), SPEED)
    t.is(runs(), 2)
    t.regex(await readFile(join(folder, name), 'utf8'), /"convGflops":20/)
  })
}

test('speed - a figure of a busy machine is told but not kept', async t => {
  const folder = await testFolder(t)
  const { measure, runs } = benchmark({ lasting: false })
  t.deepEqual(await measureSpeed({ folder, measure }), SPEED)
  t.deepEqual(await measureSpeed({ folder, measure }), SPEED)
  t.is(runs(), 2)
  t.deepEqual(await readdir(folder), [])
})

test('speed - of two that ask at once, one measures and both know', async t => {
  const folder = await testFolder(t)
  const { measure, runs, begun$, end$ } = benchmark({ held: true })
  const begun = until(begun$)
  const first = measureSpeed({ folder, measure })
  await begun
  const second = measureSpeed({ folder, measure })
  end$.next()
  t.deepEqual(await Promise.all([first, second]), [SPEED, SPEED])
  t.is(runs(), 1)
})

test('speed - one that waits for another can be stopped', async t => {
  const folder = await testFolder(t)
  const { measure, begun$, end$ } = benchmark({ held: true })
  const begun = until(begun$)
  const first = measureSpeed({ folder, measure })
  await begun
  const stopping = new AbortController()
  const second = measureSpeed({ folder, measure, signal: stopping.signal })
  stopping.abort()
  t.is(await rejection(second), 'STOPPED')
  end$.next()
  await first
})

test('speed - is measured also where nothing can be kept', async t => {
  const folder = join(await testFolder(t), 'file')
  await writeFile(folder, '')
  const { measure } = benchmark()
  t.deepEqual(await measureSpeed({ folder, measure }), SPEED)
})

test('relative speed - is the geometric mean of both kinds of work', t => {
  t.is(relativeSpeed({ convGflops: 40, matmulGflops: 15 }, { convGflops: 10, matmulGflops: 15 }), 2)
  t.is(relativeSpeed(SPEED, SPEED), 1)
})
