import { type Network } from './cells.js'

/**
 * The least bottleneck over all cuts and all placements, by SEIFER's rules: every state (devices used, the last of them,
 * cut point reached) is visited. Feasible for about 10 devices and 40 points.
 * @param bandwidths  `[from][to]` in Mbit/s
 * @param capacity  of each device, in bytes
 * @returns s; Infinity where the model fits no chain of parts
 */
export function exactBottleneck(
  network: Network,
  bandwidths: readonly (readonly number[])[],
  capacity: number,
): number {
  const devices = bandwidths.length
  const points = network.points.length
  const reach = furthestPoints(network, capacity)
  const states = 1 << devices
  // least[(set * devices + last) * (points + 1) + point]: parts on `set`, the last on `last`, hold the points before `point`.
  const least = new Float64Array(states * devices * (points + 1)).fill(Infinity)
  const at = (set: number, last: number) => (set * devices + last) * (points + 1)
  for (let device = 0; device < devices; device++) {
    for (let point = 1; point <= (reach[0] ?? 0); point++) least[at(1 << device, device) + point] = 0
  }
  let best = Infinity
  for (let set = 1; set < states; set++) {
    for (let last = 0; last < devices; last++) {
      if ((set & (1 << last)) === 0) continue
      const row = at(set, last)
      best = Math.min(best, least[row + points] ?? Infinity)
      for (let next = 0; next < devices; next++) {
        if (set & (1 << next)) continue
        extend(row, at(set | (1 << next), next), bandwidths[last]?.[next] ?? 0)
      }
    }
  }
  return best

  function extend(row: number, nextRow: number, bandwidth: number): void {
    for (let point = 1; point < points; point++) {
      const soFar = least[row + point] ?? Infinity
      if (soFar >= best) continue
      const seconds = Math.max(soFar, (network.transfers[point - 1] ?? 0) / bandwidth)
      for (let end = point + 1; end <= (reach[point] ?? 0); end++) {
        if (seconds < (least[nextRow + end] ?? Infinity)) least[nextRow + end] = seconds
      }
    }
  }
}

/** For each point, the end (exclusive) of the longest part that starts with it. */
function furthestPoints({ mems, points }: Network, capacity: number): number[] {
  return points.map((_, from) => {
    let [end, bytes] = [from + 1, 0]
    while (end < points.length && bytes + (mems[end - 1] ?? 0) <= capacity) bytes += mems[end++ - 1] ?? 0
    return end
  })
}
