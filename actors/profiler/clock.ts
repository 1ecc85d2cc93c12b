/**
 * Time that `work` takes of a core, in ms. The processor time of this process, because while others are busy the clock on
 * the wall counts their turns too; but no more than that clock, because other threads of this process may be busy.
 */
export async function coreMs(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  const passed = performance.now() - startedAt
  // Windows counts processor time in steps of 16 ms.
  return process.platform === 'win32' ? passed : Math.min(passed, (user + system) / 1_000)
}
