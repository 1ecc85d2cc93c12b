import test, { type ExecutionContext } from 'ava'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { costsText } from '../../../actors/bin/profile/costs-text.js'
import { type Costs, parseCosts } from '../../../core/costs/index.js'
import { SAMPLE } from '../../core/costs/samples.js'
import { testFolder } from '../../support/actors.js'
import { CliRun, type Ended, millrace } from '../../support/cli.js'
import { inCheckout } from '../../support/index.js'

const DIGITS = inCheckout('examples/digits/digits.onnx')
const QUICK = ['--measure-ms', '1']

function profile(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return millrace(['profile', DIGITS, ...QUICK, ...args], env)
}

async function measured(t: ExecutionContext): Promise<{ path: string; costs: Costs }> {
  const path = join(await testFolder(t), 'costs.json')
  const ended = await profile(['--out', path, '--json'])
  t.is(ended.status, 0, ended.stderr)
  t.deepEqual([ended.processes, ended.files], [[], []])
  return { path, costs: parseCosts(ended.stdout, 'stdout') }
}

test.serial(
  'profile - prints with --json what the file holds: blocks, codec, memory, model and machine',
  async t => {
    const { path, costs } = await measured(t)
    t.deepEqual(parseCosts(readFileSync(path, 'utf8'), path), costs)
    t.is(costs.model.name, 'digits.onnx')
    t.is(costs.machine.node, process.version)
    t.true(costs.blocks.length > 5 && costs.wholeMs > 0)
    t.true(costs.blocks.some(({ weightBytes }) => weightBytes > 100_000))
    t.true(costs.codec.encode.msPerMessage + costs.codec.encode.msPerByte > 0)
    const { processBytes, sessionBytes, weightFactor } = costs.memory
    t.true(processBytes > 2 ** 24 && sessionBytes > 2 ** 20 && weightFactor >= 1)
  },
)

test.serial('profile - uses what was measured before, unless it is told to measure again', async t => {
  const { path, costs } = await measured(t)
  const again = await profile(['--out', path, '--json'])
  t.deepEqual(parseCosts(again.stdout, 'stdout'), costs)
  const forced = await profile(['--out', path, '--json', '--force'])
  t.not(parseCosts(forced.stdout, 'stdout').measuredAt, costs.measuredAt)
  t.is(forced.stderr, '')
})

test.serial("profile - keeps costs in the user's cache, by model and machine", async t => {
  const cache = await testFolder(t)
  const { status, stdout, stderr } = await profile(['--top', '3'], { XDG_CACHE_HOME: cache })
  t.is(status, 0, stderr)
  const files = readdirSync(join(cache, 'millrace', 'profiles'))
  t.is(files.length, 1)
  t.regex(files[0] ?? '', /^[0-9a-f]{64}-[0-9a-f]{12}\.json$/)
  t.regex(stdout, /^digits\.onnx: [\d.]+ ms of one core/)
  t.regex(stdout, /^block +nodes +ms +share +bytes out +weights +activations +cut ms$/m)
  t.is(stdout.split('\n').filter(line => /^\d+ +\d+-\d+ /.test(line)).length, 3)
  t.regex(stdout, /^\d+ more /m)
})

test.serial('profile - a file that cannot be used is measured anew, and that is said', async t => {
  const { path, costs } = await measured(t)
  writeFileSync(path, JSON.stringify(costs).slice(0, 100))
  const { status, stderr } = await profile(['--out', path])
  t.is(status, 0, stderr)
  t.regex(stderr, /^warning COSTS_INVALID: .*costs\.json.*measured again$/m)
  t.is(parseCosts(readFileSync(path, 'utf8'), path).model.sha256, costs.model.sha256)
})

test.serial('profile - writes over nothing that is no cost file', async t => {
  const path = join(await testFolder(t), 'notes.txt')
  writeFileSync(path, 'my notes')
  const other = await profile(['--out', path, '--force'])
  t.is(other.status, 1)
  t.regex(other.stderr, /^error COSTS_UNWRITABLE: .*notes\.txt/m)
  t.is(readFileSync(path, 'utf8'), 'my notes')
  const model = await profile(['--out', DIGITS])
  t.is(model.status, 2)
  t.regex(model.stderr, /^error OPTION_INVALID: .*is the model itself/m)
  const below = await profile(['--out', join(path, 'costs.json')])
  t.regex(below.stderr, /^error COSTS_UNWRITABLE: /m)
})

test.serial('profile - a file that is no model gets one clear error', async t => {
  const path = join(await testFolder(t), 'text.onnx')
  writeFileSync(path, 'hello, this is no model\n')
  const cases: [string, RegExp][] = [
    [path, /^error MODEL_INVALID: .*text\.onnx/m],
    [join(path, 'none.onnx'), /^error MODEL_NOT_FOUND: .*none\.onnx/m],
  ]
  for (const [model, says] of cases) {
    const { status, stderr, processes, files } = await millrace(['profile', model])
    t.is(status, 1)
    t.regex(stderr, says)
    t.deepEqual([processes, files], [[], []])
  }
})

test.serial('profile - Ctrl-C in the middle of it leaves nothing behind', async t => {
  const out = join(await testFolder(t), 'costs.json')
  const run = new CliRun(['profile', DIGITS, '--out', out, '--measure-ms', '600000'])
  while (run.descendants('probe.js').length === 0) await new Promise(resolve => setTimeout(resolve, 10))
  const { status, processes, files } = await run.stop()
  t.deepEqual([status, processes, files], [130, [], []])
  t.deepEqual(readdirSync(join(out, '..')), [])
})

test('profile - a busy machine shows in the text', t => {
  t.regex(costsText({ ...SAMPLE, spread: 0.5 }, 10), /spread 50\.0%[^]*the machine was busy/)
  t.notRegex(costsText(SAMPLE, 10), /busy/)
})
