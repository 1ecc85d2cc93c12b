import { readdirSync, readFileSync } from 'node:fs'

/** The processes that have this in their environment; none where the system does not tell. */
export function processesWith(variable: string): { pid: number; command: string }[] {
  return pids().flatMap(pid => {
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(variable)) return []
      return [
        { pid: Number(pid), command: readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ') },
      ]
    } catch {
      // It ended meanwhile, or belongs to somebody else.
      return []
    }
  })
}

function pids(): string[] {
  try {
    return readdirSync('/proc').filter(name => /^\d+$/.test(name))
  } catch {
    return []
  }
}
