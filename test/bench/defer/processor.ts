import { readFile } from 'node:fs/promises'
import { EMULATED_CLUSTER, readRecord } from '../../../actors/bin/emulator/index.js'
import { findCgroups } from '../../../actors/bin/emulator/cgroup-kinds.js'

/** Reads the processor time that each device of the emulated cluster around this process has used so far, in ms. */
export async function processorTimes(): Promise<() => Promise<Readonly<Record<string, number>>>> {
  const { dispatcher, workers } = await readRecord(process.env[EMULATED_CLUSTER] ?? '')
  const kind = await findCgroups(await readFile('/proc/self/mounts', 'utf8'))
  const groups = [dispatcher, ...workers].map(({ id, enter }) => [id, groupIn(enter)] as const)
  return async () =>
    Object.fromEntries(
      await Promise.all(
        groups.map(async ([id, group]) => [id, 1_000 * (await kind.usage(group)).cpuSeconds] as const),
      ),
    )
}

/** The group of a device, from the words that enter it. */
function groupIn(words: readonly string[]): string {
  const [, group] = words.map(word => /([^/]+\/[^/]+)\/cgroup\.procs$/.exec(word)).find(Boolean) ?? []
  if (group === undefined) throw new Error(`${words.join(' ')} enters no group`)
  return group
}
