import test from 'ava'
import { randomOf } from '../../../core/synthetic/index.js'
import { type Network } from './cells.js'
import { exactBottleneck } from './exact-joint.js'

/** The least bottleneck from point `from` on, after `last`, by trying every end of the part and every device. */
function tried(
  network: Network,
  rates: readonly (readonly number[])[],
  capacity: number,
  from = 0,
  used: readonly number[] = [],
): number {
  let best = Infinity
  for (const device of rates.keys()) {
    if (used.includes(device)) continue
    for (let end = from + 1; end <= network.points.length; end++) {
      const bytes = network.mems.slice(from, end - 1).reduce((sum, count) => sum + count, 0)
      if (bytes > capacity) break
      const entering =
        from === 0 ? 0 : (network.transfers[from - 1] ?? 0) / (rates[used.at(-1) ?? 0]?.[device] ?? 0)
      const rest = end === network.points.length ? 0 : tried(network, rates, capacity, end, [...used, device])
      best = Math.min(best, Math.max(entering, rest))
    }
  }
  return best
}

test('exact joint solver - finds what trying every cut and every placement finds', t => {
  for (let seed = 0; seed < 60; seed++) {
    const random = randomOf('exact joint', seed)
    const points = Array.from({ length: 2 + random.below(5) }, (_, i) => `p${i}`)
    const network: Network = {
      points,
      transfers: points.map(() => random.below(20)),
      mems: points.map(() => 1 + random.below(9)),
      act_bytes: [],
      param_bytes: [],
    }
    const devices = Array.from({ length: 2 + random.below(3) }, (_, i) => i)
    const rates = devices.map(() => devices.map(() => 1 + random.below(9)))
    t.is(exactBottleneck(network, rates, 12), tried(network, rates, 12))
  }
})
