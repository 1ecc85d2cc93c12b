import { hopAt, type Host, type HostedStage, type Instance, stageMs } from './instance.js'

/**
 * The best cuts when it is given which host follows which: dynamic programming over (hosts, position), O(hosts *
 * positions^2). As many of the hosts are used, from the first on, as is best.
 * @returns nothing when no number of them will do
 */
export function alongOrder(instance: Instance, hosts: readonly Host[]): HostedStage[] | undefined {
  const { end } = instance
  const begins: Int32Array[] = []
  let best = { ms: Infinity, hosts: 0 }
  let before = new Float64Array(end + 1).fill(Infinity)
  before[0] = 0
  for (const [i, host] of hosts.entries()) {
    const ready = before.map((ms, p) =>
      ms === Infinity ? ms : Math.max(ms, hopAt(instance, hosts[i - 1], host, p)),
    )
    const { least, from } = oneStage(instance, host, ready)
    begins.push(from)
    const ms = Math.max(least[end] as number, hopAt(instance, host, undefined, end))
    if (ms < best.ms) best = { ms, hosts: i + 1 }
    least[end] = Infinity
    before = least
  }
  return best.ms === Infinity ? undefined : traced(hosts.slice(0, best.hosts), begins, end)
}

/** The least time to a stage's end at each position, and where the stage begins then, from when it can begin where. */
function oneStage(instance: Instance, host: Host, ready: Float64Array) {
  const width = instance.end + 1
  const least = new Float64Array(width).fill(Infinity)
  const from = new Int32Array(width).fill(-1)
  for (let p = 0; p < width; p++) {
    const begun = ready[p] as number
    if (begun === Infinity) continue
    for (let q = p + 1; q < width; q++) {
      if (begun >= (least[q] as number)) continue
      const ms = Math.max(begun, stageMs(instance, host, p, q))
      if (ms < (least[q] as number)) {
        least[q] = ms
        from[q] = p
      }
    }
  }
  return { least, from }
}

function traced(hosts: readonly Host[], begins: readonly Int32Array[], end: number): HostedStage[] {
  const stages: HostedStage[] = []
  let to = end
  for (let i = hosts.length - 1; i >= 0; i--) {
    const from = begins[i]?.[to] ?? 0
    stages.unshift({ from, to, host: hosts[i] as Host })
    to = from
  }
  return stages
}
