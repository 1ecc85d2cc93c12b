import assert from 'node:assert/strict'
import { type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { filter, firstValueFrom, lastValueFrom, map, timeout, toArray } from 'rxjs'
import { connect, type LedgerEntry, type Pipeline, topK } from 'millrace'
import { draw, MODEL, readDigits, toTensor } from '../digits/digits.js'
import { millrace, startMillrace, startMosquitto } from './processes.js'
import { Undo } from './undo.js'

/** A root of its own: other clusters may be on the same broker. */
const root = `millrace/example-${process.pid}`

const digits = await readDigits()
const undo = new Undo()
try {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-example-'))
  undo.add(() => rm(folder, { recursive: true }))
  const broker = process.argv[2] ?? process.env['BROKER'] ?? (await startMosquitto(undo))
  const cluster = await connect(broker, { root })
  undo.add(() => cluster.close())
  undo.add(() => cluster.clear())

  const at = ['--broker', broker, '--root', root]
  const start = (command: string, id: string) =>
    startMillrace(undo, [command, ...at, '--id', id, '--cache-dir', join(folder, id)])
  await start('supervisor', 'boss')
  const ids = ['w1', 'w2', 'w3', 'w4']
  const workers = new Map(await Promise.all(ids.map(async id => [id, await start('worker', id)] as const)))

  const pipeline = await cluster.deploy(MODEL, { partitions: 4 })
  await readAll(pipeline)
  console.log(await millrace(undo, ['status', ...at]))
  await loseWorker(pipeline, workers)
} finally {
  await undo.run()
}
// An unreferenced timer keeps no process alive: it fires only where something else does.
setTimeout(() => assert.fail(`still open: ${process.getActiveResourcesInfo().join(', ')}`), 5_000).unref()

/** Nothing here tells that the workers are processes of their own, or on which machines they are. */
async function readAll(pipeline: Pipeline): Promise<void> {
  const answers = await lastValueFrom(
    pipeline.pull(digits).pipe(
      map(toTensor),
      pipeline.infer(),
      map(({ outputs }) => topK(outputs.logits, 1)[0]?.index),
      toArray(),
    ),
  )
  const readings = digits.map((digit, i) => ({ digit, read: answers[i] }))
  const right = readings.filter(({ digit, read }) => read === digit.label)
  console.log(draw(right.slice(0, 4)))
  console.log(`held-out: ${right.length} of ${digits.length} digits read right\n`)

  assert(right.length / digits.length >= 0.97)
  const all = { admitted: digits.length, predicted: digits.length }
  assert.deepEqual(pipeline.counts(), { ...all, dropped: 0, failed: 0, duplicates: 0, open: 0 })
}

/** The supervisor notices, and frames that need the lost stage fail at their deadline: none vanishes. */
async function loseWorker(pipeline: Pipeline, workers: ReadonlyMap<string, ChildProcess>): Promise<void> {
  const { stages } = await firstValueFrom(pipeline.plan$)
  const lost = stages[1]?.worker ?? ''
  const killedAt = performance.now()
  workers.get(lost)?.kill('SIGKILL')
  const degraded$ = pipeline.status$.pipe(filter(({ state }) => state === 'degraded'))
  // A worker counts as gone when the broker says so, or after 3 s of silence (--dead-after-ms of the supervisor).
  const { error } = await firstValueFrom(degraded$.pipe(timeout(5_000)))
  const tookMs = Math.round(performance.now() - killedAt)
  console.log(`killed ${lost}, degraded after ${tookMs} ms: ${error?.code}, ${error?.message}`)

  const entries: LedgerEntry[] = []
  pipeline.ledger$.subscribe(entry => entries.push(entry))
  const frames = digits.slice(0, 10)
  const answers = await lastValueFrom(
    pipeline.pull(frames).pipe(map(toTensor), pipeline.infer({ deadlineMs: 1_000 }), toArray()),
  )
  const ends = entries.map(entry => (entry.end === 'failed' ? entry.error.code : entry.end))
  console.log(
    `of ${frames.length} frames sent then, ${ends.length} ended with ${[...new Set(ends)].join(', ')}`,
  )

  assert.equal(error?.code, 'WORKER_LOST')
  assert.equal(answers.length, 0)
  assert.deepEqual(ends, Array(frames.length).fill('FRAME_DEADLINE'))
}
