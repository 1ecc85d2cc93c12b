import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test from 'ava'
import { availableBytes, cpuQuota } from '../../../actors/machine/index.js'

const folder = mkdtempSync(join(tmpdir(), 'millrace-machine-'))
test.after.always(() => rmSync(folder, { recursive: true }))

const MIB = 2 ** 20
let count = 0

/** A machine of ordinary files: `proc` as the kernel has it, and trees of control groups. */
function machine({
  files,
  mounts,
  group,
}: {
  files: Record<string, string>
  mounts: string[]
  group: string[]
}) {
  const root = join(folder, `machine ${count++}`)
  const all = {
    ...files,
    'proc/meminfo': 'MemTotal: 2048000 kB\nMemFree: 100 kB\nMemAvailable:    1024000 kB\n',
    'proc/self/mountinfo': mounts.map(line => line.replace('ROOT', root.replace(' ', '\\040'))).join('\n'),
    'proc/self/cgroup': group.join('\n'),
  }
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return { proc: join(root, 'proc'), self: join(root, 'proc/self') }
}

const V1 = [
  '31 23 0:28 / ROOT rw - tmpfs tmpfs rw',
  '32 31 0:29 / ROOT/cpu rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct',
  '35 31 0:32 / ROOT/memory rw,relatime - cgroup cgroup rw,memory',
  '41 31 0:38 / ROOT/unified rw,relatime - cgroup2 cgroup2 rw',
]
const V2 = ['29 23 0:26 / ROOT/groups rw,nosuid - cgroup2 cgroup2 rw,nsdelegate']

function v1(limit: string) {
  return machine({
    mounts: V1,
    group: ['4:memory:/job/part', '2:cpu,cpuacct:/job/part', '0::/'],
    files: {
      'cpu/cpu.cfs_quota_us': '-1\n',
      'cpu/job/cpu.cfs_quota_us': '5000\n',
      'cpu/job/cpu.cfs_period_us': '10000\n',
      'cpu/job/part/cpu.cfs_quota_us': '40000\n',
      'cpu/job/part/cpu.cfs_period_us': '20000\n',
      'memory/job/memory.limit_in_bytes': `${limit}\n`,
      'memory/job/memory.usage_in_bytes': `${90 * MIB}\n`,
      'memory/job/memory.stat': `cache 1\ntotal_inactive_file ${20 * MIB}\n`,
      'memory/job/part/memory.limit_in_bytes': '9223372036854771712\n',
      'memory/job/part/memory.usage_in_bytes': '1\n',
    },
  })
}

function v2(group: string, mounts = V2) {
  return machine({
    mounts,
    group: [`0::${group}`],
    files: {
      'groups/cpu.max': '150000 100000\n',
      'groups/job/cpu.max': 'max 100000\n',
      'groups/job/memory.max': `${200 * MIB}\n`,
      'groups/job/memory.current': `${150 * MIB}\n`,
      'groups/job/memory.stat': `file 1\ninactive_file ${30 * MIB}\nactive_file 7\n`,
    },
  })
}

test('control groups - of version 1, the tightest quota and the least memory of all levels counts', t => {
  const { proc, self } = v1(String(100 * MIB))
  t.is(cpuQuota(self), 0.5)
  t.is(availableBytes(undefined, proc), (100 - 90 + 20) * MIB)
})

test('control groups - of version 2 likewise, where `max` is no limit', t => {
  const { proc, self } = v2('/job')
  t.is(cpuQuota(self), 1.5)
  t.is(availableBytes(undefined, proc), (200 - 150 + 30) * MIB)
})

test('control groups - in a container that sees its own group as the root, and knows its path outside', t => {
  const mounts = V2.map(line => line.replace('0:26 /', '0:26 /docker/4711'))
  t.is(cpuQuota(v2('/docker/4711/job', mounts).self), 1.5)
  t.is(availableBytes(undefined, v2('/docker/4711/job', mounts).proc), 80 * MIB)
  t.is(cpuQuota(v2('/../elsewhere').self), 1.5)
})

test('available memory - without a limit is what the machine could give, with what files are cached in', t => {
  t.is(availableBytes(undefined, v1('9223372036854771712').proc), 1_024_000 * 1_024)
  t.is(availableBytes(undefined, v2('/').proc), 1_024_000 * 1_024)
})

test('available memory - is no more than the user gives, and no less than nothing', t => {
  const { proc } = v2('/job')
  t.is(availableBytes({ limitBytes: 64 * MIB, usedBytes: 40 * MIB }, proc), 24 * MIB)
  t.is(availableBytes({ limitBytes: 640 * MIB, usedBytes: 40 * MIB }, proc), 80 * MIB)
  t.is(availableBytes({ limitBytes: 64 * MIB, usedBytes: 100 * MIB }, proc), 0)
})

test('available memory - of this machine is some', t => {
  t.true(availableBytes() > 0)
  t.true(Number.isSafeInteger(availableBytes()))
  t.not(cpuQuota(), 0)
})
