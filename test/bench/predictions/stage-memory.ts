import { readdirSync, readFileSync } from 'node:fs'

const LOOK_MS = 250

/**
 * The most resident memory that each worker's runtime process had, in bytes, by the worker's id; of all workers on this
 * machine. `stop` ends the looking.
 */
export function watchRuntimes(): { readonly peaks: ReadonlyMap<string, number>; stop(): void } {
  const peaks = new Map<string, number>()
  const look = () => {
    for (const { worker, rssBytes } of runtimes()) {
      peaks.set(worker, Math.max(peaks.get(worker) ?? 0, rssBytes))
    }
  }
  const timer = setInterval(look, LOOK_MS)
  return { peaks, stop: () => clearInterval(timer) }
}

function runtimes(): { worker: string; rssBytes: number }[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(pid => {
      try {
        if (!commandOf(pid).some(word => word.endsWith('/runtime.js'))) return []
        const status = readFileSync(`/proc/${pid}/status`, 'latin1')
        const parent = commandOf(/^PPid:\s+(\d+)$/m.exec(status)?.[1] ?? '')
        const worker = parent[parent.indexOf('--id') + 1]
        const kib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
        return worker === undefined || Number.isNaN(kib) ? [] : [{ worker, rssBytes: 1024 * kib }]
      } catch {
        // It ended meanwhile.
        return []
      }
    })
}

function commandOf(pid: string): string[] {
  return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')
}
