import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const PS_LIMIT_MS = 5_000

/** When a process started, in clock ticks after the machine did; undefined when it has ended. */
export async function startTicksOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  if (stat === undefined) return undefined
  // The second field is the program's name in brackets, which may have blanks and brackets itself.
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // Nobody has asked yet how it ended, but it has.
  return state === 'Z' ? undefined : Number(fields[18])
}

/**
 * A text that tells a process from every other that had or will have its number, also after the machine was restarted;
 * undefined when it has ended.
 */
export async function startOf(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return psStartOf(pid)
  const [ticks, boot] = await Promise.all([
    startTicksOf(pid),
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),
  ])
  return ticks === undefined ? undefined : `${ticks} ${boot.trim()}`.trim()
}

async function psStartOf(pid: number): Promise<string | undefined> {
  const text = await psText(['-o', 'lstart=', '-p', String(pid)])
  return text.trim() === '' ? undefined : text.trim()
}

/** What `ps` prints; nothing where it finds nothing. */
export async function psText(args: readonly string[]): Promise<string> {
  const options = { timeout: PS_LIMIT_MS, env: { ...process.env, LC_ALL: 'C' } }
  const found = await promisify(execFile)('ps', [...args], options).catch(() => ({ stdout: '' }))
  return found.stdout
}
