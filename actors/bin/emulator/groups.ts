import { access, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { MillraceError } from '../../../core/errors.js'
import { type CgroupKind, type Write } from './cgroup-kinds.js'

/** Between two looks at whether killed processes are gone; the kernel of version 1 does not tell. */
const LOOK_MS = 20
const KILL_LIMIT_MS = 5_000

/** @throws EMULATOR_UNAVAILABLE: the kernel does not take it */
export async function applyWrites(writes: readonly Write[]): Promise<void> {
  for (const { file, value, optional } of writes) {
    if (optional === true && !(await exists(file))) continue
    await writeFile(file, value).catch((error: unknown) => {
      throw MillraceError.from(error, 'EMULATOR_UNAVAILABLE', `writing '${value}' to ${file}: `)
    })
  }
}

/** @throws EMULATOR_UNAVAILABLE */
export async function createGroup({ roots }: CgroupKind, group: string): Promise<void> {
  for (const root of roots) {
    await mkdir(join(root, group)).catch((error: unknown) => {
      throw MillraceError.from(error, 'EMULATOR_UNAVAILABLE', 'making a cgroup: ')
    })
  }
}

/** A process that writes 0 to each of these is in the group. */
export function joinFiles({ roots }: CgroupKind, group: string): string[] {
  return roots.map(root => join(root, group, 'cgroup.procs'))
}

/**
 * Kills every process in the groups of `parent`, and removes them; those that are not there, it leaves.
 * @throws EMULATOR_UNAVAILABLE: a process does not end
 */
export async function removeGroups(kind: CgroupKind, parent: string): Promise<void> {
  const deadline = performance.now() + KILL_LIMIT_MS
  for (let pids = await members(kind, parent); pids.length > 0; pids = await members(kind, parent)) {
    if (performance.now() > deadline) {
      throw new MillraceError('EMULATOR_UNAVAILABLE', `the processes ${pids.join(', ')} do not end`)
    }
    for (const pid of pids) kill(pid)
    await setTimeout(LOOK_MS)
  }
  for (const root of kind.roots) {
    for (const group of await groupsIn(join(root, parent))) await removeFolder(group)
    await removeFolder(join(root, parent))
  }
}

async function members({ roots }: CgroupKind, parent: string): Promise<number[]> {
  const pids = new Set<number>()
  for (const root of roots) {
    for (const group of await groupsIn(join(root, parent))) {
      const text = await readFile(join(group, 'cgroup.procs'), 'utf8').catch(() => '')
      for (const line of text.split('\n')) if (line !== '') pids.add(Number(line))
    }
  }
  return [...pids]
}

async function groupsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  return entries.filter(entry => entry.isDirectory()).map(({ name }) => join(folder, name))
}

async function removeFolder(path: string): Promise<void> {
  await rmdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw MillraceError.from(error, 'EMULATOR_UNAVAILABLE')
  })
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
