import { type Costs } from '../../../core/costs/index.js'
import { table } from '../table.js'
import { type Solve } from './solves.js'

/** Solves of a model on all clusters of a size: means, but for what is called worst. */
export interface Row {
  readonly model: string
  readonly devices: number
  readonly replicas: boolean
  readonly blocks: number
  /** Cut positions that several tensors cross. */
  readonly multiCuts: number
  readonly planned: number
  readonly proved: number
  readonly worstSeconds: number
  /** Of one processor. */
  readonly worstProcessorSeconds: number
  readonly bottleneckMs: number
  readonly worstGap: number
  readonly stages: number
  /** How many times as fast the plans are as those with fewer means; undefined where these have no plan. */
  readonly multiGain: number | undefined
  readonly replicaGain: number | undefined
}

/** By number of devices. */
const LIMITS = [
  { devices: 10, seconds: 1, gap: 0 },
  { devices: 50, seconds: 10, gap: 1 },
]
/** A search looks at its clock only now and then. Time of a processor counts: on a busy machine a clock tells of others. */
const LATE = 1.05

export function rowOf(
  about: Pick<Row, 'model' | 'devices' | 'replicas'>,
  { crossings, blocks }: Costs,
  all: readonly (Solve | undefined)[],
  withoutReplicas: readonly (Solve | undefined)[],
): Row {
  const solves = all.filter(solve => solve !== undefined)
  return {
    ...about,
    blocks: blocks.length,
    multiCuts: crossings.slice(1, -1).filter(({ tensors }) => tensors > 1).length,
    planned: solves.length,
    proved: solves.filter(({ gap }) => gap === 0).length,
    worstSeconds: Math.max(...solves.map(({ seconds }) => seconds)),
    worstProcessorSeconds: Math.max(...solves.map(({ processorSeconds }) => processorSeconds)),
    bottleneckMs: meanOf(solves.map(({ bottleneckMs }) => bottleneckMs)),
    worstGap: Math.max(...solves.map(({ gap }) => gap)),
    stages: meanOf(solves.map(({ stages }) => stages)),
    multiGain: gainOf(all, solve => solve.singleCutsMs),
    replicaGain: gainOf(all, (_, i) => withoutReplicas[i]?.bottleneckMs),
  }
}

export function rowsTable(rows: readonly Row[]): string {
  const header = [
    'model devices',
    'replicas',
    'blocks',
    'cuts of several',
    'stages',
    'worst s',
    'of a processor',
    'bottleneck ms',
    'worst gap',
    'proved',
    'several tensors gain',
    'replicas gain',
  ]
  return table(
    header,
    rows.map(row => [
      `${row.model} ${row.devices}`,
      row.replicas ? 'yes' : 'no',
      `${row.blocks}`,
      `${row.multiCuts}`,
      row.stages.toFixed(1),
      row.worstSeconds.toFixed(2),
      row.worstProcessorSeconds.toFixed(2),
      row.bottleneckMs.toFixed(2),
      row.worstGap.toFixed(4),
      `${row.proved}/${row.planned}`,
      times(row.multiGain),
      row.replicas ? times(row.replicaGain) : '-',
    ]),
  )
}

export function verdictLines(rows: readonly Row[]): { readonly line: string; readonly kept: boolean }[] {
  return LIMITS.map(({ devices, seconds, gap }) => {
    const those = rows.filter(row => row.devices === devices)
    const worst = Math.max(...those.map(row => row.worstProcessorSeconds))
    const worstGap = Math.max(...those.map(row => row.worstGap))
    const kept = worst <= seconds * LATE && worstGap <= gap
    const wanted = `at most ${seconds} s of a processor${gap === 0 ? ' and gap 0' : ''}`
    const is = `${worst.toFixed(2)} s and gap ${worstGap.toFixed(4)} at the worst`
    return { line: `${devices} devices, ${wanted}: ${kept ? 'kept' : 'not kept'}, ${is}`, kept }
  })
}

/** The mean, over clusters that have both plans. */
function gainOf(
  solves: readonly (Solve | undefined)[],
  otherMs: (solve: Solve, index: number) => number | undefined,
): number | undefined {
  const gains = solves.flatMap((solve, i) => {
    const other = solve === undefined ? undefined : otherMs(solve, i)
    return solve === undefined || other === undefined ? [] : [other / solve.bottleneckMs]
  })
  return gains.length === 0 ? undefined : meanOf(gains)
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function times(gain: number | undefined): string {
  return gain === undefined ? '-' : `x ${gain.toFixed(3)}`
}
