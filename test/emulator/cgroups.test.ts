import test from 'ava'
import fc from 'fast-check'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CgroupKind,
  cgroupV1,
  cgroupV2,
  findCgroups,
  quotaOf,
} from '../../actors/bin/emulator/cgroup-kinds.js'
import { applyWrites, createGroup, joinFiles } from '../../actors/bin/emulator/groups.js'
import { MillraceError } from '../../core/errors.js'

const folder = mkdtempSync(join(tmpdir(), 'millrace-cgroups-'))
test.after.always(() => rmSync(folder, { recursive: true }))

/** A tree of ordinary files: what is written stays to be read. */
function tree(name: string): string {
  const root = join(folder, name)
  mkdirSync(root)
  return root
}

async function limit(kind: CgroupKind): Promise<void> {
  await createGroup(kind, 'mr-1')
  await applyWrites(kind.prepare('mr-1'))
  await createGroup(kind, 'mr-1/device-pi')
  await applyWrites([...kind.quota('mr-1/device-pi', 0.25), ...kind.memory('mr-1/device-pi', 64 * 2 ** 20)])
}

test('cgroups - version 1 has quota and memory in trees of their own', async t => {
  const roots = { cpu: tree('cpu'), cpuacct: tree('cpuacct'), memory: tree('memory') }
  const kind = cgroupV1(roots)
  await limit(kind)
  const read = (root: keyof typeof roots, file: string) =>
    readFileSync(join(roots[root], 'mr-1/device-pi', file), 'utf8')
  t.is(read('cpu', 'cpu.cfs_period_us'), '10000')
  t.is(read('cpu', 'cpu.cfs_quota_us'), '2500')
  t.is(read('memory', 'memory.limit_in_bytes'), String(64 * 2 ** 20))
  t.is(readFileSync(join(roots.cpu, 'mr-1/cpu.shares'), 'utf8'), '10240')
  t.false(existsSync(join(roots.memory, 'mr-1/device-pi/memory.memsw.limit_in_bytes')))
  t.deepEqual(
    joinFiles(kind, 'mr-1/device-pi'),
    Object.values(roots).map(root => join(root, 'mr-1/device-pi/cgroup.procs')),
  )
})

test('cgroups - version 1 limits swap with memory where the kernel counts it, and in an order that it takes', async t => {
  const kind = cgroupV1({ cpu: tree('cpu-s'), cpuacct: tree('cpuacct-s'), memory: tree('memory-s') })
  const files = kind.memory('g', 100).map(({ file, value }) => [file.split('/').at(-1), value])
  const swap = 'memory.memsw.limit_in_bytes'
  t.deepEqual(files, [
    [swap, '-1'],
    ['memory.limit_in_bytes', '100'],
    [swap, '100'],
  ])
  await createGroup(kind, 'g')
  const file = join(folder, 'memory-s/g', swap)
  writeFileSync(file, '')
  await applyWrites(kind.memory('g', 100))
  t.is(readFileSync(file, 'utf8'), '100')
})

test('cgroups - version 1 tells usage in seconds and bytes', async t => {
  const roots = { cpu: tree('cpu-u'), cpuacct: tree('cpuacct-u'), memory: tree('memory-u') }
  writeFileSync(join(roots.cpuacct, 'cpuacct.usage'), '1500000000\n')
  writeFileSync(join(roots.memory, 'memory.max_usage_in_bytes'), '4096\n')
  writeFileSync(join(roots.memory, 'memory.oom_control'), 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n')
  t.deepEqual(await cgroupV1(roots).usage(''), { cpuSeconds: 1.5, peakBytes: 4_096, oomKills: 2 })
})

test('cgroups - version 2 has one tree, in which the controllers are enabled level by level', async t => {
  const root = tree('unified')
  const kind = cgroupV2(root)
  await limit(kind)
  const read = (file: string) => readFileSync(join(root, file), 'utf8')
  t.is(read('cgroup.subtree_control'), '+cpu +memory')
  t.is(read('mr-1/cgroup.subtree_control'), '+cpu +memory')
  t.is(read('mr-1/cpu.weight'), '1000')
  t.is(read('mr-1/device-pi/cpu.max'), '2500 10000')
  t.is(read('mr-1/device-pi/cpu.weight'), '25')
  t.is(read('mr-1/device-pi/memory.max'), String(64 * 2 ** 20))
  t.false(existsSync(join(root, 'mr-1/device-pi/memory.swap.max')))
  t.deepEqual(joinFiles(kind, 'mr-1/device-pi'), [join(root, 'mr-1/device-pi/cgroup.procs')])
  writeFileSync(join(root, 'mr-1/device-pi/memory.swap.max'), 'max')
  await applyWrites(kind.memory('mr-1/device-pi', 1))
  t.is(read('mr-1/device-pi/memory.swap.max'), '0')
})

test('cgroups - version 2 tells usage in seconds and bytes, as far as the kernel does', async t => {
  const root = tree('unified-usage')
  writeFileSync(join(root, 'cpu.stat'), 'usage_usec 2500000\nuser_usec 1\nsystem_usec 2\n')
  writeFileSync(join(root, 'memory.events'), 'low 0\nhigh 0\nmax 9\noom 1\noom_kill 3\noom_group_kill 0\n')
  t.deepEqual(await cgroupV2(root).usage(''), { cpuSeconds: 2.5, oomKills: 3 })
  writeFileSync(join(root, 'memory.peak'), '8192\n')
  t.deepEqual(await cgroupV2(root).usage(''), { cpuSeconds: 2.5, peakBytes: 8_192, oomKills: 3 })
})

test('cgroups - a quota is right within 1 %, of 10 ms wherever the kernel can, and of limits that it takes', t => {
  fc.assert(
    fc.property(fc.double({ min: 0.001, max: 64, noNaN: true }), cores => {
      const { quotaUs, periodUs } = quotaOf(cores)
      t.true(quotaUs >= 1_000 && periodUs >= 10_000 && periodUs <= 1_000_000)
      t.true(periodUs === 10_000 || cores < 0.1)
      t.true(Math.abs(quotaUs / periodUs / cores - 1) <= 0.01, `${quotaUs} / ${periodUs} for ${cores}`)
    }),
    { numRuns: 300 },
  )
  t.deepEqual(quotaOf(0.15), { quotaUs: 1_500, periodUs: 10_000 })
  t.deepEqual(quotaOf(0.05), { quotaUs: 1_000, periodUs: 20_000 })
})

const UNIFIED = 'cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nsecdelegate 0 0'
const HYBRID = [
  'tmpfs /sys/fs/cgroup tmpfs ro 0 0',
  'cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0',
  'cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0',
  'cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0',
  'cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0',
].join('\n')

test('cgroups - the version is the one that has both controllers', async t => {
  const v2 = await findCgroups(UNIFIED, async () => 'cpuset cpu io memory pids\n')
  t.deepEqual([v2.version, v2.roots], [2, ['/sys/fs/cgroup']])
  const v1 = await findCgroups(HYBRID, async () => '')
  t.deepEqual([v1.version, v1.roots], [1, ['/sys/fs/cgroup/cpu,cpuacct', '/sys/fs/cgroup/memory']])
})

for (const [what, mounts, controllers] of [
  ['neither', 'tmpfs /tmp tmpfs rw 0 0', ''],
  ['version 2 without memory', UNIFIED, 'cpuset cpu pids'],
  ['version 1 without cpu', 'cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0', ''],
] as const) {
  test(`cgroups - a machine with ${what} cannot emulate, and is told so`, async t => {
    const error = await t.throwsAsync(
      findCgroups(mounts, async () => controllers),
      { instanceOf: MillraceError },
    )
    t.is(error.code, 'EMULATOR_UNAVAILABLE')
  })
}

test('cgroups - what the kernel does not take is said with its file', async t => {
  const error = await t.throwsAsync(applyWrites([{ file: join(folder, 'none/cpu.max'), value: '1 2' }]), {
    instanceOf: MillraceError,
  })
  t.is(error.code, 'EMULATOR_UNAVAILABLE')
  t.regex(error.message, /none\/cpu\.max/)
})
