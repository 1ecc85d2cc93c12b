import { controlGroup, textOf } from './groups.js'

/**
 * How much of the processor this process may use with all that is in its control group, in cores; Infinity: as much as
 * there is; undefined: it cannot be seen.
 */
export function cpuQuota(proc?: string): number | undefined {
  const group = controlGroup('cpu', proc)
  if (group === undefined) return process.platform === 'linux' ? undefined : Infinity
  const quotas = group.folders.map(folder => {
    const [quota, period] =
      group.version === 1
        ? [textOf(folder, 'cpu.cfs_quota_us'), textOf(folder, 'cpu.cfs_period_us')]
        : (textOf(folder, 'cpu.max') ?? '').split(' ')
    return Number(quota) / Number(period)
  })
  // No quota is -1 in version 1, and `max` in version 2.
  return Math.min(Infinity, ...quotas.filter(cores => cores > 0))
}
