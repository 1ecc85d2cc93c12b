import assert from 'node:assert/strict'
import { concatMap, filter, from, interval, lastValueFrom, map, take, toArray } from 'rxjs'
import { embedded, type Pipeline, topK } from 'millrace'
import { draw, MODEL, readDigits, toTensor } from '../digits/digits.js'

/** Sequence numbers of a stream's frames: all of them, and by how they ended. */
type Account = Record<'admitted' | 'predicted' | 'dropped' | 'failed', number[]>

const digits = await readDigits()
const cluster = await embedded({ workers: 4 })
try {
  const pipeline = await cluster.deploy(MODEL, { partitions: 4 })
  await readAll(pipeline)
  await watchCamera(pipeline)
} finally {
  await cluster.close()
}
// An unreferenced timer keeps no process alive: it fires only where something else does.
setTimeout(() => assert.fail(`still open: ${process.getActiveResourcesInfo().join(', ')}`), 5_000).unref()

/** A source that can wait: `pull` takes its next digit only when the pipeline has room, so none is dropped. */
async function readAll(pipeline: Pipeline): Promise<void> {
  const account = accountOf(pipeline, 'held-out')
  const answers = await lastValueFrom(
    pipeline.pull(digits).pipe(
      map(toTensor),
      pipeline.infer({ stream: 'held-out' }),
      map(({ sequence, ageMs, outputs }) => ({ sequence, ageMs, best: topK(outputs.logits, 1)[0] })),
      toArray(),
    ),
  )
  const readings = digits.map((digit, i) => ({ digit, read: answers[i]?.best?.index }))
  const right = readings.filter(({ digit, read }) => read === digit.label)
  const wrong = readings.filter(reading => !right.includes(reading))
  const ages = answers.map(({ ageMs }) => ageMs).sort((a, b) => a - b)
  console.log(draw([...right.slice(0, 3), ...wrong.slice(0, 1)]))
  console.log(`held-out: ${right.length} of ${digits.length} digits read right`)
  console.log(`latency: ${ages[Math.floor(ages.length / 2)]} ms (median), ${ages.at(-1)} ms (longest)`)

  assert(right.length / digits.length >= 0.97)
  assert.equal(account.predicted.length, digits.length)
  assertEndedOnce(account)
  assertInOrder(answers)
}

/** A source that cannot wait: where frames come too fast, those that waited longest are dropped. */
async function watchCamera(pipeline: Pipeline): Promise<void> {
  const account = accountOf(pipeline, 'camera')
  const camera$ = interval(40).pipe(
    take(12),
    concatMap(burst => from(digits.slice(30 * burst, 30 * (burst + 1)))),
  )
  const answers = await lastValueFrom(
    camera$.pipe(map(toTensor), pipeline.infer({ stream: 'camera', delivery: 'freshest' }), toArray()),
  )
  const { admitted, predicted, dropped, failed } = account
  const oldest = Math.max(...answers.map(({ ageMs }) => ageMs))
  console.log(
    `camera: of ${admitted.length} frames ${predicted.length} predicted, ${dropped.length} dropped, ` +
      `${failed.length} failed; the oldest answer is ${oldest} ms old`,
  )

  assert(dropped.length > 0)
  assert.equal(failed.length, 0)
  assert.equal(predicted.at(-1), admitted.at(-1), 'the newest frame is never dropped')
  assertEndedOnce(account)
  assertInOrder(answers)
}

/** Keeps account of a stream: which frames were admitted, and which of them ended how. */
function accountOf(pipeline: Pipeline, stream: string): Account {
  const account: Account = { admitted: [], predicted: [], dropped: [], failed: [] }
  pipeline.frames$
    .pipe(filter(frame => frame.stream === stream))
    .subscribe(({ sequence }) => account.admitted.push(sequence))
  pipeline.ledger$
    .pipe(filter(entry => entry.stream === stream))
    .subscribe(({ sequence, end }) => account[end].push(sequence))
  return account
}

function assertEndedOnce({ admitted, predicted, dropped, failed }: Account): void {
  assert.deepEqual(
    [...predicted, ...dropped, ...failed].sort((a, b) => a - b),
    admitted,
  )
}

function assertInOrder(answers: readonly { readonly sequence: number }[]): void {
  const sequences = answers.map(({ sequence }) => sequence)
  assert.deepEqual(
    sequences,
    [...sequences].sort((a, b) => a - b),
  )
}
