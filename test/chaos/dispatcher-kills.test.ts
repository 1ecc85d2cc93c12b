import { join } from 'node:path'
import test from 'ava'
import { type Prediction } from '../../config/index.js'
import { randomOf } from '../../core/synthetic/index.js'
import { inTurns, testFolder } from '../support/actors.js'
import { CliRun } from '../support/cli.js'
import { DIGITS_MODEL, worstDigitsError } from '../support/digits-frames.js'
import { predictionsAmong, recordsIn } from '../support/frame-records.js'
import { inCheckout } from '../support/index.js'
import { type ProgramWish } from './program-wish.js'
import { processCluster } from '../support/process-cluster.js'

const ROUNDS = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 4)
const SEED = Number(process.env['MILLRACE_FAULT_SEED'] ?? Date.now() % 1_000_000)
const PROGRAM = inCheckout('dist/test/chaos/journalled-program.js')
const DISTINCT = 20
const PER_ROUND = 60

test('killing the program that holds a dispatcher - who keeps its position sees each frame once, in order and right', async t => {
  t.timeout(600_000)
  t.log(`seed ${SEED}, ${ROUNDS} rounds`)
  const random = randomOf('dispatcher kills', SEED)
  const folder = await testFolder(t)
  const [journal, record] = [join(folder, 'journal'), join(folder, 'record')]
  const { url, cluster } = await processCluster(['w1', 'w2'], act => t.teardown(act))
  await cluster.deploy(DIGITS_MODEL, { name: 'digits', partitions: 2 })

  const total = (ROUNDS + 1) * PER_ROUND
  const wish: ProgramWish = {
    ...{ url, journal, record, pipeline: 'digits', stream: 'camera' },
    ...{ seed: 1, distinct: DISTINCT, until: total },
  }
  const run = () => new CliRun([JSON.stringify(wish)], {}, PROGRAM)
  let again = 0
  for (let round = 0; round < ROUNDS; round++) {
    const program = run()
    t.teardown(() => program.signal('SIGKILL'))
    const delivered = () => predictionsAmong(recordsIn(record))
    const before = delivered().length
    // None: it dies while it takes up what was left, or before its first frame.
    const wanted = before + random.below(PER_ROUND)
    await program.firstLine()
    await inTurns(() => delivered().length >= wanted)
    program.signal('SIGKILL')
    const { stderr } = await program.ended
    t.is(stderr, '')
  }
  const { status, stderr } = await run().ended
  t.is(status, 0, stderr)
  t.is(stderr, '')

  const records = recordsIn(record)
  const predictions = predictionsAmong(records)
  const seen: Prediction[] = []
  for (const prediction of predictions) {
    // Of what comes again after a crash, the consumer knows the position.
    if (prediction.sequence < seen.length) again++
    else seen.push(prediction)
  }
  t.log(`${predictions.length} predictions, ${again} of them again`)
  t.deepEqual(
    seen.map(({ sequence }) => sequence),
    Array.from({ length: total }, (_, i) => i),
  )
  t.is(new Set(predictions.map(({ dispatcher, stream }) => `${dispatcher}/${stream}`)).size, 1)
  t.true(records.every(record => record.kind !== 'ended' || record.entry.end === 'predicted'))
  const worst = await worstDigitsError(predictions, DISTINCT)
  t.true(worst <= 1e-4, String(worst))
})
