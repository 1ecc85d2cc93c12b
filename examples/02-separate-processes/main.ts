import assert from 'node:assert/strict'
import { type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { filter, firstValueFrom, lastValueFrom, map, take, takeLast, toArray } from 'rxjs'
import { connect, type Pipeline, topK } from 'millrace'
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

/** In the middle of a stream: another worker takes the lost one's stage over, and no frame is lost. */
async function loseWorker(pipeline: Pipeline, workers: ReadonlyMap<string, ChildProcess>): Promise<void> {
  const { stages, epoch } = await firstValueFrom(pipeline.plan$)
  const lost = stages[1]?.worker ?? ''
  const before = pipeline.counts().predicted
  const half = pipeline.predictions$.pipe(take(digits.length / 2), takeLast(1))
  const streamed = lastValueFrom(
    pipeline.pull(digits).pipe(
      map(toTensor),
      pipeline.infer(),
      map(({ sequence }) => sequence),
      toArray(),
    ),
  )
  await firstValueFrom(half)
  const killedAt = performance.now()
  const tookMs = () => Math.round(performance.now() - killedAt)
  const degraded = firstValueFrom(pipeline.status$.pipe(filter(({ state }) => state === 'degraded')))
  const mended = firstValueFrom(pipeline.plan$.pipe(filter(plan => plan.epoch > epoch)))
  workers.get(lost)?.kill('SIGKILL')
  const { error } = await degraded
  console.log(`killed ${lost}, degraded after ${tookMs()} ms: ${error?.code}, ${error?.message}`)
  const plan = await mended
  const places = plan.stages.map(({ stage, worker }) => `stage ${stage} on ${worker}`).join(', ')
  console.log(`epoch ${plan.epoch} after ${tookMs()} ms: ${places}`)

  const sequences = await streamed
  const { predicted, failed } = pipeline.counts()
  const inOrder = sequences.every((sequence, i) => sequence === i)
  console.log(
    `of ${digits.length} frames under way or sent then, ${predicted - before} were predicted, ${inOrder ? 'in order' : 'NOT in order'}, and ${failed} failed`,
  )
  assert.equal(error?.code, 'WORKER_LOST')
  assert(inOrder)
  assert.equal(predicted - before, digits.length)
  assert.equal(failed, 0)
}
