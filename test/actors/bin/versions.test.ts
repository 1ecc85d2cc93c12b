import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { type ClusterView } from '../../../config/cluster-view.js'
import { type Plan } from '../../../config/index.js'
import { versionOf } from '../../../core/versions.js'
import { adder, testFolder } from '../../support/actors.js'
import { CliRun, millrace } from '../../support/cli.js'

test.serial('versions - on the command line, one is tried, shown, promoted and rolled back', async t => {
  const folder = await testFolder(t)
  const [first, second] = [join(folder, 'first.onnx'), join(folder, 'second.onnx')]
  await writeFile(first, adder(1))
  await writeFile(second, adder(2))
  const up = new CliRun(['up', '--port', '0', '--workers', '1', '--json'])
  t.teardown(() => up.stop())
  const { broker } = JSON.parse(await up.firstLine()) as { broker: string }
  const run = async (...args: string[]) => {
    const { status, stdout, stderr } = await millrace([...args, '--broker', broker, '--json'])
    t.is(status, 0, stderr)
    return JSON.parse(stdout) as unknown
  }
  const before = (await run('deploy', first, '--name', 'p')) as Plan
  const tried = (await run('deploy', second, '--name', 'p', '--canary', '12.5%')) as Plan
  t.is(tried.epoch, before.epoch)
  const versions = [before.model, tried.canary?.plan.model ?? before.model].map(versionOf)
  const { pipelines, stages } = (await run('status')) as ClusterView
  const [pipeline] = pipelines
  t.like(pipeline, { version: versions[0], canary: { version: versions[1], share: 0.125 } })
  t.deepEqual(
    stages.map(({ version }) => version),
    versions,
  )
  const promoted = (await run('promote', 'p')) as Plan
  t.deepEqual([versionOf(promoted.model), promoted.canary], [versions[1], undefined])
  const back = (await run('rollback', 'p')) as Plan
  t.is(versions[0], versionOf(back.model))
  const again = await millrace(['rollback', 'p', '--broker', broker])
  t.is(again.status, 1)
  t.regex(again.stderr, /error VERSION_NONE: no version of 'p' before [0-9a-f]{12} is remembered/)
})

for (const share of ['0', '100%', '10 frames']) {
  test(`deploy --canary '${share}' - is refused`, async t => {
    const { status, stderr } = await millrace(['deploy', 'm.onnx', '--canary', share])
    t.is(status, 2)
    t.regex(stderr, /OPTION_INVALID: millrace deploy: option 'canary': must be/)
  })
}
