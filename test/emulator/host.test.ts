import test from 'ava'
import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findPlaces, reachOf, workerCount } from '../../actors/bin/cli/places.js'
import { checkHost } from '../../actors/bin/emulator/host.js'
import { deadRuns, readRecord, removeRecord, writeRecord } from '../../actors/bin/emulator/records.js'
import { runTool } from '../../actors/bin/emulator/tools.js'
import { startBroker } from '../../broker/index.js'
import { MillraceError } from '../../core/errors.js'
import { codeOf } from '../support/errors.js'

const folder = mkdtempSync(join(tmpdir(), 'millrace-records-'))
test.after.always(() => rmSync(folder, { recursive: true }))

const works = async () => ''
const lacks = (program: string) => async (words: readonly string[]) => {
  if (words[0] === program) throw new Error('ENOENT')
  return ''
}
const ROOT = { platform: 'linux', uid: 0 }

const hosts: Record<string, [Parameters<typeof checkHost>, RegExp]> = {
  'another system': [[{ platform: 'darwin', uid: 0 }, works], /Linux.*darwin/],
  'another user than root': [[{ platform: 'linux', uid: 1_000 }, works], /root.*sudo/],
  'a system without users': [[{ platform: 'linux', uid: undefined }, works], /root/],
  'a machine without ip': [[ROOT, lacks('ip')], /`ip`.*apt-get install iproute2/],
  'a machine without tc': [[ROOT, lacks('tc')], /`tc`.*apt-get install iproute2/],
  'a machine without nsenter': [[ROOT, lacks('nsenter')], /`nsenter`.*apt-get install util-linux/],
}

for (const [what, [args, says]] of Object.entries(hosts)) {
  test(`host - ${what} is told that it cannot emulate, and what it takes`, async t => {
    const error = await t.throwsAsync(checkHost(...args), { instanceOf: MillraceError })
    t.is(error.code, 'EMULATOR_UNAVAILABLE')
    t.regex(error.message, says)
  })
}

test('host - root on Linux with the programs may', async t => {
  await t.notThrowsAsync(checkHost(ROOT, works))
})

test('host - what a program prints comes back, and what it complains of is in the error', async t => {
  t.is(await runTool(['sort'], ['b', 'a']), 'a\nb\n')
  const failed = await t.throwsAsync(runTool(['sh', '-c', 'echo no such device >&2; exit 2']), {
    instanceOf: MillraceError,
  })
  t.is(failed.code, 'EMULATOR_UNAVAILABLE')
  t.regex(failed.message, /no such device/)
  const absent = await t.throwsAsync(runTool(['millrace-no-such-program']), { instanceOf: MillraceError })
  t.is(absent.code, 'EMULATOR_UNAVAILABLE')
})

const place = (id: string, address: string) => ({ id, address, enter: ['env'] })
const RECORD = {
  dispatcher: place('hub', '127.0.0.2'),
  workers: [place('a', '127.0.0.3'), place('b', '127.0.0.4')],
}

test.serial('records - a run whose process lives is not dead, and is found by a command in it', async t => {
  const path = await writeRecord('00000001', RECORD, folder)
  t.deepEqual(await deadRuns(folder), [])
  t.deepEqual(await readRecord(path), RECORD)
  t.deepEqual(await findPlaces({ MILLRACE_EMULATED_CLUSTER: path }), RECORD)
  await removeRecord('00000001', folder)
  t.deepEqual(readdirSync(folder), [])
})

test.serial('records - a run is dead when its process has ended, or another has its number', async t => {
  const child = spawn('true')
  await once(child, 'exit')
  writeFileSync(join(folder, `millrace-emulated-0000000a-${child.pid}-1.json`), '')
  writeFileSync(join(folder, `millrace-emulated-0000000b-${process.pid}-1.json`), '')
  writeFileSync(join(folder, 'millrace-emulated-..-1-1.json'), '')
  writeFileSync(join(folder, 'other.json'), '')
  await writeRecord('0000000c', RECORD, folder)
  t.deepEqual((await deadRuns(folder)).sort(), ['0000000a', '0000000b'])
  await removeRecord('0000000a', folder)
  t.deepEqual(await deadRuns(folder), ['0000000b'])
})

test('records - one that is gone or is none is said by its path', async t => {
  writeFileSync(join(folder, 'none.json'), '{"dispatcher":1}')
  for (const name of ['gone.json', 'none.json']) {
    const env = { MILLRACE_EMULATED_CLUSTER: join(folder, name) }
    const error = await t.throwsAsync(findPlaces(env), { instanceOf: MillraceError })
    t.is(error.code, 'EMULATOR_UNAVAILABLE')
    t.true(error.message.includes(name))
  }
})

test('places - there is a worker on each device, or as many as were asked for', async t => {
  t.is(await findPlaces({}), undefined)
  t.deepEqual([workerCount(undefined, undefined), workerCount(7, undefined)], [4, 7])
  t.deepEqual([workerCount(undefined, RECORD), workerCount(1, RECORD)], [2, 1])
  t.is(
    codeOf(() => workerCount(3, RECORD)),
    'OPTION_INVALID',
  )
})

test('places - a broker for other devices listens on an address of its own, and for one user only', async t => {
  t.deepEqual(reachOf(undefined), { host: '127.0.0.1', users: [] })
  const reach = reachOf(RECORD)
  t.is(reach.host, RECORD.dispatcher.address)
  t.is(reach.users.length, 1)
  t.notDeepEqual(reachOf(RECORD).users, reach.users)
  // An address of loopback stands for that of a device here.
  const broker = await startBroker({ ...reach, port: 0 })
  t.teardown(() => broker.close())
  t.regex(broker.url, /^mqtt:\/\/127\.0\.0\.2:/)
})
