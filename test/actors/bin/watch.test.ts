import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { firstValueFrom, of } from 'rxjs'
import { connect, type Pipeline } from '../../../config/index.js'
import { adder, inTurns, numbersOf, row, testFolder } from '../../support/actors.js'
import { CliRun, millrace } from '../../support/cli.js'

interface Told {
  readonly watched: string
  readonly pipeline: string
  readonly version: string
}

/** `up` that watches files, and what it has said of them. */
async function watching(t: ExecutionContext, models: Readonly<Record<string, Uint8Array | string>>) {
  const folder = await testFolder(t)
  const files = Object.keys(models).map(name => join(folder, name))
  for (const [name, content] of Object.entries(models)) await writeFile(join(folder, name), content)
  const watch = files.flatMap(file => ['--watch', file])
  const up = new CliRun(['up', '--port', '0', '--workers', '1', '--json', ...watch])
  t.teardown(() => up.stop())
  const { broker } = JSON.parse(await up.firstLine()) as { broker: string }
  const told = () =>
    up.stdout
      .split('\n')
      .slice(1, -1)
      .map(line => JSON.parse(line) as Told)
  const deployed = (count: number) => inTurns(() => told().length >= count)
  const reported = (what: RegExp) => inTurns(() => what.test(up.stderr))
  const cluster = await connect(broker)
  t.teardown(() => cluster.close())
  return { folder, up, cluster, told, deployed, reported }
}

/** What a pipeline adds to numbers. */
async function addend(pipeline: Pipeline): Promise<number | undefined> {
  const { outputs } = await firstValueFrom(of({ x: row(0, 0) }).pipe(pipeline.infer()))
  return numbersOf(outputs, 'sum')[0]
}

test.serial(
  'up --watch - deploys what a file holds, and again when it is written or another is moved there',
  async t => {
    const { folder, cluster, told, deployed, reported } = await watching(t, { 'add.onnx': adder(1) })
    const file = join(folder, 'add.onnx')
    await deployed(1)
    const pipeline = await cluster.pipeline('add')
    t.is(await addend(pipeline), 1)
    await writeFile(file, adder(2))
    await deployed(2)
    t.is(await addend(pipeline), 2)
    await writeFile(file, adder(3).subarray(0, -5))
    await reported(
      /MODEL_(TRUNCATED|INVALID): .*add.onnx is not deployed: .*; version [0-9a-f]{12} of 'add' goes on/,
    )
    t.is(await addend(pipeline), 2)
    await writeFile(`${file}.new`, adder(3))
    await rename(`${file}.new`, file)
    await deployed(3)
    t.is(await addend(pipeline), 3)
    await pipeline.rollback()
    t.is(await addend(pipeline), 2)
    t.deepEqual(
      told().map(({ watched, pipeline: name }) => [watched, name]),
      Array.from({ length: 3 }, () => [file, 'add']),
    )
    t.is(new Set(told().map(({ version }) => version)).size, 3)
  },
)

test.serial(
  'up --watch - takes several files, and says of one that cannot be read that it is not deployed',
  async t => {
    const { folder, cluster, deployed, reported } = await watching(t, {
      'one.onnx': adder(1),
      'two.onnx': 'nothing yet',
    })
    await reported(/MODEL_INVALID: .*two.onnx is not deployed: [^;]*$/m)
    await deployed(1)
    await writeFile(join(folder, 'two.onnx'), adder(2))
    await deployed(2)
    for (const [name, value] of [
      ['one', 1],
      ['two', 2],
    ] as const) {
      t.is(await addend(await cluster.pipeline(name)), value)
    }
  },
)

test('up --watch - with two files of one name, is refused', async t => {
  const { status, stderr } = await millrace([
    'up',
    '--port',
    '0',
    '--watch',
    'a/m.onnx',
    '--watch',
    'b/m.onnx',
  ])
  t.is(status, 2)
  t.regex(stderr, /OPTION_INVALID: --watch: two of the files are of pipeline 'm'/)
})
