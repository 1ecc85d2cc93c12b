import { freemem } from 'node:os'
import { controlGroup, textOf } from './groups.js'

export interface MemoryShare {
  /** The most that the user lets some processes have together, in bytes. */
  readonly limitBytes: number
  /** What these have now. */
  readonly usedBytes: number
}

/**
 * Memory that this process and those that it starts may still take: the least of what the machine has, what the control
 * groups leave, and what is left of `share`. At least 0 bytes.
 */
export function availableBytes(share?: MemoryShare, proc = '/proc'): number {
  const left = share === undefined ? Infinity : share.limitBytes - share.usedBytes
  return Math.max(0, Math.floor(Math.min(left, onMachine(proc), inGroups(proc))))
}

/** Free memory is not it: what files are cached in is given up when somebody needs it. */
function onMachine(proc: string): number {
  const kib = /^MemAvailable:\s+(\d+) kB/m.exec(textOf(proc, 'meminfo') ?? '')?.[1]
  return kib === undefined ? freemem() : Number(kib) * 1_024
}

const FILES = {
  1: { limit: 'memory.limit_in_bytes', used: 'memory.usage_in_bytes', cached: 'total_inactive_file' },
  2: { limit: 'memory.max', used: 'memory.current', cached: 'inactive_file' },
} as const

function inGroups(proc: string): number {
  const group = controlGroup('memory', `${proc}/self`)
  if (group === undefined) return Infinity
  const { limit, used, cached } = FILES[group.version]
  const left = group.folders.map(folder => {
    const files = new RegExp(`^${cached} (\\d+)$`, 'm').exec(textOf(folder, 'memory.stat') ?? '')?.[1] ?? 0
    return Number(textOf(folder, limit)) - (Number(textOf(folder, used)) - Number(files))
  })
  // No limit is `max`, and the group around all has no such file.
  return Math.min(Infinity, ...left.filter(bytes => !Number.isNaN(bytes)))
}
