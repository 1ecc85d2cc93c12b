import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../../../core/errors.js'

/** A value for one file of a cgroup. */
export interface Write {
  readonly file: string
  readonly value: string
  /** Some kernels are built without this file. */
  readonly optional?: true
}

export interface GroupUsage {
  readonly cpuSeconds: number
  /** The most that was in use at once; undefined where the kernel does not say (version 2 before Linux 5.19). */
  readonly peakBytes?: number
  /** Processes that the kernel killed because the limit was reached. */
  readonly oomKills: number
}

/** What is written and read where, in one of the two versions of cgroups; `group` is a path below the root or roots. */
export interface CgroupKind {
  readonly version: 1 | 2
  /** Each group is a folder in all of them. */
  readonly roots: readonly string[]
  /** Lets the groups in `parent` have limits, and their share of the processor before what else the machine does. */
  prepare(parent: string): Write[]
  quota(group: string, cores: number): Write[]
  memory(group: string, bytes: number): Write[]
  usage(group: string): Promise<GroupUsage>
}

/** A quota is handed out this often: the time in which a device has its share of the processor. */
const PERIOD_US = 10_000
/** The kernel takes none smaller. */
const LEAST_QUOTA_US = 1_000
const LONGEST_PERIOD_US = 1_000_000
/** The smallest share of a core that the kernel can give. */
export const LEAST_CORES = LEAST_QUOTA_US / LONGEST_PERIOD_US

/** How much more of a busy processor the devices together get than an ordinary process, so that all have their quotas. */
const PRECEDENCE = 10
/** What an ordinary process, or a device of one core, weighs among others. */
const WEIGHT_V1 = 1_024
const WEIGHT_V2 = 100
/** The kernel takes no more than so many times the weight of an ordinary process. */
const MOST_WEIGHT = 100

/** Where devices are given more than the machine has, all are slower by the same factor. */
function weightOf(cores: number, ordinary: number): string {
  return String(Math.min(MOST_WEIGHT * ordinary, Math.max(2, Math.round(cores * ordinary))))
}

/** @returns a quota and its period in microseconds; below 0.1 core the period is longer than 10 ms */
export function quotaOf(cores: number): { readonly quotaUs: number; readonly periodUs: number } {
  const quotaUs = Math.round(cores * PERIOD_US)
  if (quotaUs >= LEAST_QUOTA_US) return { quotaUs, periodUs: PERIOD_US }
  return {
    quotaUs: LEAST_QUOTA_US,
    periodUs: Math.min(LONGEST_PERIOD_US, Math.round(LEAST_QUOTA_US / cores)),
  }
}

/** Version 1: one tree for each controller, or for several. */
export function cgroupV1(roots: {
  readonly cpu: string
  readonly cpuacct: string
  readonly memory: string
}): CgroupKind {
  return {
    version: 1,
    roots: [...new Set([roots.cpu, roots.cpuacct, roots.memory])],
    prepare: parent => [
      { file: join(roots.cpu, parent, 'cpu.shares'), value: String(PRECEDENCE * WEIGHT_V1) },
    ],
    quota: (group, cores) => {
      const { quotaUs, periodUs } = quotaOf(cores)
      return [
        { file: join(roots.cpu, group, 'cpu.cfs_period_us'), value: String(periodUs) },
        { file: join(roots.cpu, group, 'cpu.cfs_quota_us'), value: String(quotaUs) },
        { file: join(roots.cpu, group, 'cpu.shares'), value: weightOf(cores, WEIGHT_V1) },
      ]
    },
    memory: (group, bytes) => {
      const swap = join(roots.memory, group, 'memory.memsw.limit_in_bytes')
      return [
        // Memory with swap may at no time be limited to less than memory.
        { file: swap, value: '-1', optional: true },
        { file: join(roots.memory, group, 'memory.limit_in_bytes'), value: String(bytes) },
        { file: swap, value: String(bytes), optional: true },
      ]
    },
    usage: async group => ({
      cpuSeconds: Number(await readFile(join(roots.cpuacct, group, 'cpuacct.usage'), 'utf8')) / 1e9,
      peakBytes: Number(await readFile(join(roots.memory, group, 'memory.max_usage_in_bytes'), 'utf8')),
      oomKills: field(await readFile(join(roots.memory, group, 'memory.oom_control'), 'utf8'), 'oom_kill'),
    }),
  }
}

/** Version 2: one tree. */
export function cgroupV2(root: string): CgroupKind {
  const enable = (folder: string) => ({
    file: join(root, folder, 'cgroup.subtree_control'),
    value: '+cpu +memory',
  })
  return {
    version: 2,
    roots: [root],
    prepare: parent => [
      enable(''),
      enable(parent),
      { file: join(root, parent, 'cpu.weight'), value: String(PRECEDENCE * WEIGHT_V2) },
    ],
    quota: (group, cores) => {
      const { quotaUs, periodUs } = quotaOf(cores)
      return [
        { file: join(root, group, 'cpu.max'), value: `${quotaUs} ${periodUs}` },
        { file: join(root, group, 'cpu.weight'), value: weightOf(cores, WEIGHT_V2) },
      ]
    },
    memory: (group, bytes) => [
      { file: join(root, group, 'memory.max'), value: String(bytes) },
      { file: join(root, group, 'memory.swap.max'), value: '0', optional: true },
    ],
    usage: async group => {
      const peak = await readFile(join(root, group, 'memory.peak'), 'utf8').catch(() => undefined)
      return {
        cpuSeconds: field(await readFile(join(root, group, 'cpu.stat'), 'utf8'), 'usage_usec') / 1e6,
        ...(peak === undefined ? {} : { peakBytes: Number(peak) }),
        oomKills: field(await readFile(join(root, group, 'memory.events'), 'utf8'), 'oom_kill'),
      }
    },
  }
}

/**
 * The version that this machine has the cpu and the memory controller in; version 1 where they are mounted so.
 * @param mounts  text of /proc/self/mounts
 * @param controllersOf  reads which controllers a tree of version 2 has
 * @throws EMULATOR_UNAVAILABLE: it has them in neither
 */
export async function findCgroups(
  mounts: string,
  controllersOf: (root: string) => Promise<string> = root =>
    readFile(join(root, 'cgroup.controllers'), 'utf8'),
): Promise<CgroupKind> {
  const lines = mounts.split('\n').map(line => line.split(' '))
  const v1 = (controller: string) =>
    lines.find(([, , type, options]) => type === 'cgroup' && options?.split(',').includes(controller))?.[1]
  const [cpu, cpuacct, memory] = [v1('cpu'), v1('cpuacct'), v1('memory')]
  if (cpu !== undefined && cpuacct !== undefined && memory !== undefined)
    return cgroupV1({ cpu, cpuacct, memory })
  const unified = lines.find(([, , type]) => type === 'cgroup2')?.[1]
  const controllers = unified === undefined ? [] : (await controllersOf(unified)).trim().split(' ')
  if (unified !== undefined && ['cpu', 'memory'].every(name => controllers.includes(name)))
    return cgroupV2(unified)
  throw new MillraceError(
    'EMULATOR_UNAVAILABLE',
    'the cpu and memory cgroups are mounted neither as version 1 nor as version 2',
  )
}

/** The number in a line `name number`; 0 where there is none. */
function field(text: string, name: string): number {
  const line = text.split('\n').find(line => line.startsWith(`${name} `))
  return Number(line?.slice(name.length + 1) ?? 0)
}
