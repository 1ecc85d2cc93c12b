import test from 'ava'
import { createServer } from 'node:net'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CliRun, millrace } from '../../support/cli.js'
import { inCheckout } from '../../support/index.js'

const DIGITS = inCheckout('examples/digits/digits.onnx')
const folder = mkdtempSync(join(tmpdir(), 'millrace-bad-input-'))
test.after.always(() => rmSync(folder, { recursive: true }))

function file(name: string, content: Uint8Array | string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

/** The digits' dataset, with one input changed. */
function dataset(name: string, change: Record<string, unknown>): string {
  for (const suffix of ['images', 'labels']) {
    file(`held-out.${suffix}`, readFileSync(inCheckout(`examples/digits/held-out.${suffix}`)))
  }
  const text = readFileSync(inCheckout('examples/digits/held-out.json'), 'utf8')
  const description = JSON.parse(text) as { inputs: Record<string, unknown>[] }
  const inputs = description.inputs.map(input => ({ ...input, ...change }))
  return file(name, JSON.stringify({ ...description, inputs }))
}

/** A port on which something listens that is no broker. */
async function takenPort(): Promise<{ port: string; release: () => void }> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { port: String(address.port), release: () => server.close() }
}

const bytes = readFileSync(DIGITS)
const anOperator = new TextEncoder().encode('Relu')

function withUnknownOperator(): Uint8Array {
  const changed = Buffer.from(bytes)
  for (let at = changed.indexOf(anOperator); at >= 0; at = changed.indexOf(anOperator))
    changed.write('Rulu', at)
  return changed
}

/** What is given, the code and exit status that come, and a word that the message must have. */
const cases: Record<string, { args: () => string[]; code: string; status: number; says: RegExp }> = {
  'a model that does not exist': {
    args: () => ['run', join(folder, 'none.onnx')],
    code: 'MODEL_NOT_FOUND',
    status: 1,
    says: /none\.onnx/,
  },
  'a file that is not ONNX': {
    args: () => ['run', file('text.onnx', 'hello, this is no model\n')],
    code: 'MODEL_INVALID',
    status: 1,
    says: /text\.onnx/,
  },
  'an empty file': {
    args: () => ['run', file('empty.onnx', '')],
    code: 'MODEL_INVALID',
    status: 1,
    says: /empty\.onnx/,
  },
  'a truncated file': {
    args: () => ['run', file('half.onnx', bytes.subarray(0, bytes.length / 2))],
    code: 'MODEL_TRUNCATED',
    status: 1,
    says: /half\.onnx/,
  },
  'an unknown operator': {
    args: () => ['run', file('unknown.onnx', withUnknownOperator())],
    code: 'MODEL_UNSUPPORTED',
    status: 1,
    says: /Rulu/,
  },
  'more partitions than positions': {
    args: () => ['run', DIGITS, '--partitions', '999'],
    code: 'TOO_MANY_PARTITIONS',
    status: 1,
    says: /at most 47/,
  },
  'a dataset with a wrong tensor name': {
    args: () => ['run', DIGITS, '--dataset', dataset('name.json', { name: 'picture' })],
    code: 'FRAME_INPUT_UNKNOWN',
    status: 1,
    says: /picture.*image|image.*picture/,
  },
  'a dataset with a wrong dtype': {
    args: () => ['run', DIGITS, '--dataset', dataset('dtype.json', { as: 'float64' })],
    code: 'FRAME_DTYPE',
    status: 1,
    says: /float64.*float32|float32.*float64/,
  },
  'a dataset with a wrong shape': {
    args: () => ['run', DIGITS, '--dataset', dataset('shape.json', { dims: [1, 1, 4, 16] })],
    code: 'FRAME_SHAPE',
    status: 1,
    says: /4, ?16/,
  },
  'a dataset that is not JSON': {
    args: () => ['run', DIGITS, '--dataset', file('text.json', '{')],
    code: 'DATASET_INVALID',
    status: 1,
    says: /text\.json/,
  },
  'an image option that is no list of numbers': {
    args: () => ['deploy', DIGITS, '--image-mean', '0.5,x'],
    code: 'OPTION_INVALID',
    status: 2,
    says: /imageMean/,
  },
  'a broker that is not there': {
    args: () => ['run', DIGITS, '--broker', 'mqtt://127.0.0.1:1'],
    code: 'BROKER_UNREACHABLE',
    status: 1,
    says: /127\.0\.0\.1:1/,
  },
  'the URL of something else': {
    args: () => ['status', '--broker', 'http://127.0.0.1'],
    code: 'OPTION_INVALID',
    status: 2,
    says: /http:\/\/127\.0\.0\.1/,
  },
  'listening to all the world': {
    args: () => ['broker', '--host', '0.0.0.0', '--port', '0'],
    code: 'BROKER_EXPOSED',
    status: 1,
    says: /0\.0\.0\.0/,
  },
  'an unknown option': {
    args: () => ['run', DIGITS, '--speed', 'high'],
    code: 'OPTION_UNKNOWN',
    status: 2,
    says: /--speed/,
  },
  'an option out of range': {
    args: () => ['run', DIGITS, '--workers', '0'],
    code: 'OPTION_INVALID',
    status: 2,
    says: /workers/,
  },
  'an unknown command': { args: () => ['walk'], code: 'OPTION_INVALID', status: 2, says: /walk/ },
  'no model': { args: () => ['run'], code: 'OPTION_INVALID', status: 2, says: /model/ },
}

for (const [what, { args, code, status, says }] of Object.entries(cases)) {
  test.serial(`bad input - ${what} gets one clear error and leaves nothing behind`, async t => {
    const ended = await millrace(args())
    t.is(ended.status, status)
    t.is(ended.stdout, '')
    const errors = ended.stderr.split('\n').filter(line => line.startsWith('error '))
    t.is(errors.length, 1, ended.stderr)
    t.regex(errors[0] ?? '', new RegExp(`^error ${code}: `))
    t.regex(errors[0] ?? '', says)
    t.notRegex(ended.stderr, /^\s+at .*\(?(file|node):/m, 'a stack trace')
    t.deepEqual([ended.processes, ended.files], [[], []])
  })
}

test.serial('bad input - a port that is taken gets one clear error', async t => {
  const { port, release } = await takenPort()
  for (const command of ['up', 'broker']) {
    const { status, stderr, processes, files } = await millrace([command, '--port', port])
    t.is(status, 1)
    t.regex(stderr, new RegExp(`^error PORT_TAKEN: .*${port}`))
    t.deepEqual([processes, files], [[], []])
  }
  release()
})

test.serial('bad input - a deployment without a worker or a supervisor says so', async t => {
  const broker = new CliRun(['broker', '--port', '0', '--json'])
  const { url } = JSON.parse(await broker.firstLine()) as { url: string }
  const at = ['--broker', url]
  const alone = await millrace(['deploy', DIGITS, '--connect-timeout-ms', '4000', ...at])
  t.regex(alone.stderr, /^error NO_SUPERVISOR: /m)
  const supervisor = new CliRun(['supervisor', '--worker-wait-ms', '100', ...at])
  await supervisor.firstLine()
  const idle = await millrace(['deploy', DIGITS, ...at])
  t.is(idle.status, 1)
  t.regex(idle.stderr, /^error NO_WORKER: /m)
  for (const part of [supervisor, broker]) {
    const { status, processes, files } = await part.stop()
    t.deepEqual([status, processes, files], [130, [], []])
  }
})

test.serial('bad input - with --json the error is one JSON object, with --debug it has a stack', async t => {
  const { status, stdout, stderr } = await millrace(['run', join(folder, 'none.onnx'), '--json', '--debug'])
  t.is(status, 1)
  const { error } = JSON.parse(stdout) as { error: Record<string, string> }
  t.is(error['code'], 'MODEL_NOT_FOUND')
  t.deepEqual(Object.keys(error), ['code', 'message', 'remedy'])
  t.regex(stderr, /^\s+at /m)
})
