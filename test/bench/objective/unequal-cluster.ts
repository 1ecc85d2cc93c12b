import { type ClusterDescription } from '../../../core/cluster-file.js'
import { type Random, randomOf } from '../../../core/synthetic/index.js'

const SLOWEST = 0.1
const FASTEST = 0.5
const MEMORY_MIB = [192, 256, 512, 1024]
/** Of network cards. */
const MBPS = [100, 300, 1000]

/** Small computers that differ in speed, memory and network; and a dispatcher on the fastest network. */
export function unequalCluster(devices: number, seed: number): ClusterDescription {
  const random = randomOf('objective bench', devices, seed)
  const workers = Array.from({ length: devices }, (_, i) => ({
    id: `worker-${i + 1}`,
    speed: SLOWEST + (FASTEST - SLOWEST) * random.uniform(),
    memoryMiB: oneOf(random, MEMORY_MIB),
    cores: 1,
  }))
  const all = [...workers, { id: 'hub', speed: 1, memoryMiB: 4096, cores: 4 }]
  const cards = all.map(({ id }) => (id === 'hub' ? 1000 : oneOf(random, MBPS)))
  const bandwidthMbps = cards.map((from, i) =>
    cards.map((to, j) => (i === j ? 0 : Math.min(from, to) * (0.5 + random.uniform() / 2))),
  )
  return { dispatcher: 'hub', devices: all, bandwidthMbps, rttMs: 1 }
}

function oneOf(random: Random, values: readonly number[]): number {
  return values[random.below(values.length)] ?? 0
}
