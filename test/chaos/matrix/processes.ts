import { type Scene } from './cell.js'

/** The process ids of a worker, its agent last: found before the fault, since that takes a while. */
export function pidsOf({ stand }: Pick<Scene, 'stand'>, id: string): number[] {
  const all = stand.members.processes()
  return [all.get(`runtime of ${id}`), all.get(id)].filter(pid => pid !== undefined)
}

export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) process.kill(pid, signal)
}
