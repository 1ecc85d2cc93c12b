import { readdir, readFile } from 'node:fs/promises'
import { psText } from '../cli/process-start.js'

/** The processes that a process has started, and those that these have. */
export async function descendantsOf(pid: number): Promise<number[]> {
  const parents = process.platform === 'linux' ? await parentsInProc() : await parentsFromPs()
  const found: number[] = []
  const queue = [pid]
  for (let parent = queue.shift(); parent !== undefined; parent = queue.shift()) {
    const children = [...parents].filter(([, of]) => of === parent).map(([child]) => child)
    found.push(...children)
    queue.push(...children)
  }
  return found
}

async function parentsInProc(): Promise<Map<number, number>> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const stats = await Promise.all(pids.map(pid => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')))
  // The second field is the program's name in brackets, which may have blanks and brackets itself.
  const parentOf = (stat: string) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  return new Map(pids.map((pid, i) => [Number(pid), parentOf(stats[i] ?? '')]))
}

async function parentsFromPs(): Promise<Map<number, number>> {
  const lines = (await psText(['-A', '-o', 'pid=,ppid='])).split('\n')
  return new Map(
    lines.map(line => {
      const [pid, parent] = line.trim().split(/\s+/).map(Number)
      return [pid ?? 0, parent ?? 0]
    }),
  )
}
