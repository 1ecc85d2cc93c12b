import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where a process is in the control groups of Linux, for one controller. */
export interface ControlGroup {
  readonly version: 1 | 2
  /** Its own group, then those around it, as far as they can be seen; a limit in any of them counts. */
  readonly folders: readonly string[]
}

interface Mount {
  readonly version: 1 | 2
  /** Which group the folder stands for. */
  readonly group: string
  readonly folder: string
}

/**
 * The control group of this process.
 * @param proc  the folder in which the kernel tells about the process
 * @returns undefined where there is none: another system, or one whose groups cannot be seen
 */
export function controlGroup(controller: 'cpu' | 'memory', proc = '/proc/self'): ControlGroup | undefined {
  const mount = mountOf(linesOf(join(proc, 'mountinfo')), controller)
  if (mount === undefined) return undefined
  const own = linesOf(join(proc, 'cgroup'))
    .map(line => /^\d+:([^:]*):(.*)$/.exec(line))
    .find(found => (mount.version === 2 ? found?.[1] === '' : found?.[1]?.split(',').includes(controller)))
  if (own === undefined) return undefined
  return { version: mount.version, folders: foldersFrom(mount, own?.[2] ?? '/') }
}

/** The text of a file in a group; undefined where the kernel has none. */
export function textOf(folder: string, file: string): string | undefined {
  try {
    return readFileSync(join(folder, file), 'utf8')
  } catch {
    return undefined
  }
}

/** Version 1 where the controller is there: then version 2 has none of it. Source: proc(5), cgroups(7) */
function mountOf(lines: readonly string[], controller: string): Mount | undefined {
  const mounts = lines.flatMap((line): (Mount & { readonly options: string })[] => {
    const [before = '', after = ''] = line.split(' - ')
    const [, , , group = '', folder = ''] = before.split(' ')
    const [type, , options = ''] = after.split(' ')
    if (type !== 'cgroup' && type !== 'cgroup2') return []
    return [{ version: type === 'cgroup' ? 1 : 2, group, folder: unescaped(folder), options }]
  })
  return (
    mounts.find(({ version, options }) => version === 1 && options.split(',').includes(controller)) ??
    mounts.find(({ version }) => version === 2)
  )
}

/** In a container the mount may stand for the container's group, and the path begin at the machine's. */
function foldersFrom({ group, folder }: Mount, path: string): string[] {
  const root = group === '/' ? '' : group
  const below = path === root || path.startsWith(`${root}/`) ? path.slice(root.length) : ''
  const names = below.split('/').filter(name => name !== '' && name !== '..')
  return Array.from({ length: names.length + 1 }, (_, i) => join(folder, ...names.slice(0, names.length - i)))
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n')
  } catch {
    return []
  }
}

/** Blanks and the like are written as three octal digits. */
function unescaped(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )
}
