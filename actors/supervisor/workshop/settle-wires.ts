import { type CutWire, Wire } from '../../../core/wire.js'

/** Below this, in ms, a wire costs nothing. */
const LEAST_MS = 1e-6

/**
 * Makes wires more exact until what they lose together is little enough: each time that of the cut which then loses the
 * most less for what it costs. All may end as f32.
 * @param most  largest relative error
 * @param errorOf  the relative error of the whole chain with these wires, for its cuts in their order
 */
export async function settleWires(
  cuts: readonly CutWire[],
  most: number,
  errorOf: (wires: readonly Wire[]) => Promise<number>,
): Promise<Wire[]> {
  const wires = cuts.map(({ wire }) => wire)
  const known = new Map<string, number>()
  /** Of one cut alone. */
  const alone = async (cut: number, wire: Wire) => {
    if (wire === 'f32') return 0
    const key = `${cut} ${wire}`
    const error = known.get(key) ?? (await errorOf(wires.map((_, i) => (i === cut ? wire : 'f32'))))
    known.set(key, error)
    return error
  }
  while (wires.some(wire => wire !== 'f32') && !((await errorOf(wires)) <= most)) {
    let [best, bestGain] = [-1, -1]
    for (const [cut, { ms }] of cuts.entries()) {
      const wire = wires[cut] ?? 'f32'
      const next = moreExact(wire)
      if (next === undefined) continue
      const now = await alone(cut, wire)
      const less = now === Infinity ? Infinity : now - (await alone(cut, next))
      const gain = Math.max(0, less) / Math.max(LEAST_MS, ms[next] - ms[wire])
      if (gain > bestGain) [best, bestGain] = [cut, gain]
    }
    wires[best] = moreExact(wires[best] ?? 'f32') ?? 'f32'
  }
  return wires
}

/** Undefined of f32. */
function moreExact(wire: Wire): Wire | undefined {
  return Wire.options[Wire.options.indexOf(wire) - 1]
}
