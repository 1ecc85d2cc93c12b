import { LZ4_PAYS, type Lz4 } from '../lz4-choice.js'
import { type PlanProblem } from '../planner/index.js'
import { quantile } from './statistics.js'
import { type Costs } from './costs.js'

/** What decides whether links would compress: what one in the middle does, in bytes per ms, and how fast workers are. */
export interface LinkTerms {
  readonly bytesPerMs: number
  /** In the mean, relative to the machine that was measured. */
  readonly speed: number
}

/** @returns undefined: nothing is compressed there */
export function linkTerms({ devices, network }: PlanProblem, lz4: Lz4): LinkTerms | undefined {
  const rates = devices.flatMap((_, from) =>
    devices.flatMap((_, to) => (from === to ? [] : [network.rates[from]?.[to] ?? 0])),
  )
  if (lz4 === 'never' || rates.length === 0) return undefined
  const bytesPerMs = lz4 === 'always' ? 0 : quantile(rates, 0.5)
  return { bytesPerMs, speed: devices.reduce((sum, { speed }) => sum + speed, 0) / devices.length }
}

/** Whether a link compresses a message of so many bytes of which LZ4 leaves a share, as `Lz4Choice` decides. */
export function isPacked(
  { lz4MsPerByte }: Pick<Costs, 'lz4MsPerByte'>,
  { bytesPerMs, speed }: LinkTerms,
  left: number,
): boolean {
  return (1 - left) / bytesPerMs >= (LZ4_PAYS * 2 * lz4MsPerByte) / speed
}
