import { type ClusterDescription } from '../cluster-file.js'
import { MillraceError } from '../errors.js'

const MOST_COPIES = 100

/**
 * A cluster as it would be after a change, in words: `add 2 x pi-1` (devices like it), `without pi-3`, `pi-2 speed 0.5`,
 * `pi-2 memory 256` (MiB), `links 18` (Mbit/s, all of them); several, separated by commas.
 * @throws OPTION_INVALID: a change that is none, or of a device that is not there
 */
export function changedCluster(cluster: ClusterDescription, changes: string): ClusterDescription {
  return changes.split(',').reduce((changed, change) => applied(changed, change.trim()), cluster)
}

type Rule = readonly [RegExp, (cluster: ClusterDescription, ...words: string[]) => ClusterDescription]

const ID = '([a-z0-9-]+)'
const NUMBER = String.raw`(\d+(?:\.\d+)?)`
const RULES: readonly Rule[] = [
  [
    new RegExp(String.raw`^add (\d+) x ${ID}$`),
    (cluster, count, id) => withCopies(cluster, id, Number(count)),
  ],
  [new RegExp(`^without ${ID}$`), without],
  [
    new RegExp(`^${ID} speed ${NUMBER}$`),
    (cluster, id, speed) => withDevice(cluster, id, { speed: Number(speed) }),
  ],
  [
    new RegExp(`^${ID} memory ${NUMBER}$`),
    (cluster, id, memory) => withDevice(cluster, id, { memoryMiB: Number(memory) }),
  ],
  [
    new RegExp(`^links ${NUMBER}$`),
    (cluster, mbps) => ({
      ...cluster,
      bandwidthMbps: cluster.bandwidthMbps.map(row => row.map(rate => (rate === 0 ? 0 : Number(mbps)))),
    }),
  ],
]

function applied(cluster: ClusterDescription, change: string): ClusterDescription {
  for (const [pattern, apply] of RULES) {
    const found = pattern.exec(change)
    if (found !== null) return apply(cluster, ...found.slice(1))
  }
  throw new MillraceError(
    'OPTION_INVALID',
    `'${change}' is no change of a cluster; there are: add N x DEVICE, without DEVICE, DEVICE speed X, DEVICE memory MIB, links MBPS`,
  )
}

function indexOf({ devices }: ClusterDescription, id = ''): number {
  const index = devices.findIndex(device => device.id === id)
  if (index >= 0) return index
  const there = devices.map(device => device.id).join(', ')
  throw new MillraceError('OPTION_INVALID', `no device has the id '${id}'; there are ${there}`)
}

function withDevice(
  cluster: ClusterDescription,
  id: string | undefined,
  change: { readonly speed?: number; readonly memoryMiB?: number },
): ClusterDescription {
  const index = indexOf(cluster, id)
  const zero = Object.values(change).find(value => !(value > 0))
  if (zero !== undefined) throw new MillraceError('OPTION_INVALID', `'${id}' cannot have ${zero} of that`)
  return {
    ...cluster,
    devices: cluster.devices.map((device, i) => (i === index ? { ...device, ...change } : device)),
  }
}

function without(cluster: ClusterDescription, id?: string): ClusterDescription {
  const index = indexOf(cluster, id)
  if (id === cluster.dispatcher) {
    throw new MillraceError(
      'OPTION_INVALID',
      `'${id}' is the dispatcher's device, without which there is no pipeline`,
    )
  }
  const others = <T>(values: readonly T[]) => values.filter((_, i) => i !== index)
  return {
    ...cluster,
    devices: others(cluster.devices),
    bandwidthMbps: others(cluster.bandwidthMbps).map(others),
  }
}

/** Devices like one of the cluster, with the links that it has; among each other and to it, with the fastest of these. */
function withCopies(cluster: ClusterDescription, id: string | undefined, count: number): ClusterDescription {
  const index = indexOf(cluster, id)
  if (count < 1 || count > MOST_COPIES) {
    throw new MillraceError('OPTION_INVALID', `1 to ${MOST_COPIES} devices can be added, not ${count}`)
  }
  let changed = cluster
  for (let copy = 0; copy < count; copy++) changed = withCopy(changed, index)
  return changed
}

function withCopy(cluster: ClusterDescription, index: number): ClusterDescription {
  const { devices, bandwidthMbps } = cluster
  const original = devices[index]
  if (original === undefined) return cluster
  const fastest = Math.max(...(bandwidthMbps[index] ?? []))
  const towards = bandwidthMbps.map((row, from) => (from === index ? fastest : (row[index] ?? 0)))
  const from = (bandwidthMbps[index] ?? []).map((rate, to) => (to === index ? fastest : rate))
  return {
    ...cluster,
    devices: [...devices, { ...original, id: freeId(devices, original.id) }],
    bandwidthMbps: [...bandwidthMbps.map((row, i) => [...row, towards[i] ?? 0]), [...from, 0]],
  }
}

function freeId(devices: ClusterDescription['devices'], id: string): string {
  for (let number = 2; ; number++) {
    const name = `${id.slice(0, 56)}-x${number}`
    if (!devices.some(device => device.id === name)) return name
  }
}
