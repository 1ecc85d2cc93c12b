import { round, table } from '../cli/tables.js'
import { type GroupUsage } from './cgroup-kinds.js'

export interface DeviceReport extends GroupUsage {
  readonly id: string
  /** At the end. */
  readonly quotaCores: number
  /** Processor time that was used, of what the quota allowed since the beginning. */
  readonly quotaShare: number
  /** With the headers of Ethernet, as all bytes here. */
  readonly sentBytes: number
  readonly receivedBytes: number
  readonly limitBytes: number
}

export interface EmulationReport {
  /** Since the devices were there. */
  readonly seconds: number
  /** Of the links; 0 where there is none, or where the kernel cannot. */
  readonly rttMs: number
  readonly devices: readonly DeviceReport[]
  /** Those that were used. */
  readonly links: readonly { readonly from: string; readonly to: string; readonly bytes: number }[]
}

export function reportText({ seconds, devices, links }: EmulationReport): string {
  const usage = table(
    [
      'device',
      'cores',
      'cpu s',
      '% of quota',
      'MB sent',
      'MB received',
      'peak MiB',
      'limit MiB',
      'killed for memory',
    ],
    devices.map(device => [
      device.id,
      round(device.quotaCores, 3),
      round(device.cpuSeconds, 2),
      round(100 * device.quotaShare, 1),
      megabytes(device.sentBytes),
      megabytes(device.receivedBytes),
      device.peakBytes === undefined ? '-' : round(device.peakBytes / 2 ** 20, 0),
      round(device.limitBytes / 2 ** 20, 0),
      device.oomKills,
    ]),
  )
  const ids = devices.map(({ id }) => id)
  const bytes = (from: string, to: string) => links.find(link => link.from === from && link.to === to)?.bytes
  const traffic = table(
    ['MB from \\ to', ...ids],
    ids.map(from => [from, ...ids.map(to => (from === to ? '-' : megabytes(bytes(from, to) ?? 0)))]),
  )
  return [`emulated for ${round(seconds, 1)} s`, '', usage, '', traffic].join('\n')
}

function megabytes(bytes: number): number {
  return round(bytes / 1e6, 2)
}
