import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const MIB = 2 ** 20

/** Bytes of buffers and of objects that this process still holds, after the garbage is gone. */
export function bytesHeld(): number {
  collectGarbage()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return arrayBuffers + heapUsed
}

export function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') for (let i = 0; i < 2; i++) Reflect.apply(collect, undefined, [])
}

/** Memory of a process that is in RAM, in bytes; undefined where the system does not tell. Linux only. */
export function residentBytes(pid: number): number | undefined {
  try {
    const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
    return kib === undefined ? undefined : Number(kib) * 1_024
  } catch {
    return undefined
  }
}

/**
 * The memory of processes, in MiB, by their names. This one makes frames and takes predictions as fast as it can: what its allocator has
 * not given back is no queue, so that what it holds is counted.
 */
export function memoryOf(processes: Map<string, number>): Map<string, number> {
  const bytesOf = (pid: number) => (pid === process.pid ? bytesHeld() : (residentBytes(pid) ?? NaN))
  return new Map([...processes].map(([name, pid]) => [name, bytesOf(pid) / MIB]))
}
