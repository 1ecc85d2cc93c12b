import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { startBroker } from '../../broker/index.js'
import { connect, tensor } from '../../config/index.js'
import { randomOf } from '../../core/synthetic/index.js'
import { inTurns, testFolder } from '../support/actors.js'
import { CliRun } from '../support/cli.js'
import { DIGITS_MODEL, worstDigitsError } from '../support/digits-frames.js'
import { inCheckout } from '../support/index.js'
import { Members } from '../support/members.js'

const ROUNDS = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 4)
const SEED = Number(process.env['MILLRACE_FAULT_SEED'] ?? Date.now() % 1_000_000)
const PROGRAM = inCheckout('dist/test/support/journalled-program.js')
const DISTINCT = 20
const PER_ROUND = 60

interface Line {
  readonly dispatcher: string
  readonly stream: string
  readonly sequence: number
  readonly logits: readonly number[]
}

/** What the program has written so far; a line that a kill cut off is none. */
function linesIn(path: string): Line[] {
  if (!existsSync(path)) return []
  const whole = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return whole.map(line => JSON.parse(line) as Line)
}

test('killing the program that holds a dispatcher - who keeps its position sees each frame once, in order and right', async t => {
  t.timeout(600_000)
  t.log(`seed ${SEED}, ${ROUNDS} rounds`)
  const random = randomOf('dispatcher kills', SEED)
  const folder = await testFolder(t)
  const [journal, out] = [join(folder, 'journal'), join(folder, 'predictions')]
  const broker = await startBroker({ port: 0 })
  t.teardown(() => broker.close())
  const members = new Members(broker.url)
  t.teardown(() => members.stop())
  await Promise.all(['supervisor', 'w1', 'w2'].map(id => members.start(id)))
  const cluster = await connect(broker.url)
  t.teardown(() => cluster.close())
  await cluster.deploy(DIGITS_MODEL, { name: 'digits', partitions: 2 })

  const total = (ROUNDS + 1) * PER_ROUND
  const run = () => new CliRun([broker.url, journal, out, String(total), String(DISTINCT)], {}, PROGRAM)
  let again = 0
  for (let round = 0; round < ROUNDS; round++) {
    const program = run()
    t.teardown(() => program.signal('SIGKILL'))
    const before = linesIn(out).length
    // None: it dies while it takes up what was left, or before its first frame.
    const wanted = before + random.below(PER_ROUND)
    await program.firstLine()
    await inTurns(() => linesIn(out).length >= wanted)
    program.signal('SIGKILL')
    const { stderr } = await program.ended
    t.is(stderr, '')
  }
  const { status, stderr } = await run().ended
  t.is(status, 0, stderr)
  t.is(stderr, '')

  const lines = linesIn(out)
  const seen: Line[] = []
  for (const line of lines) {
    // Of what comes again after a crash, the consumer knows the position.
    if (line.sequence < seen.length) again++
    else seen.push(line)
  }
  t.log(`${lines.length} predictions, ${again} of them again`)
  t.deepEqual(
    seen.map(({ sequence }) => sequence),
    Array.from({ length: total }, (_, i) => i),
  )
  t.is(new Set(lines.map(({ dispatcher, stream }) => `${dispatcher}/${stream}`)).size, 1)
  const predictions = lines.map(line => {
    const logits = tensor('float32', [1, line.logits.length], Float32Array.from(line.logits))
    return {
      ...line,
      outputs: { logits },
      epoch: 1,
      version: '0',
      admittedAt: 0,
      ageMs: 0,
      timings: [],
      bytes: 0,
    }
  })
  const worst = await worstDigitsError(predictions, DISTINCT)
  t.true(worst <= 1e-4, String(worst))
})
