import { type PlanReport } from '../../../core/planner/index.js'
import { round, table } from '../cli/tables.js'
import { bytesText, msText } from './units.js'

const MOST_LOADS = 6

/** A plan for people: where each stage runs, what is slowest and why, and what other ways to plan come to. */
export function planText(report: PlanReport): string {
  return [
    summary(report),
    '',
    stages(report),
    '',
    `busiest: ${busiest(report)}`,
    ...(Object.keys(report.baselines).length === 0 ? [] : ['', baselines(report)]),
  ].join('\n')
}

function summary(report: PlanReport): string {
  const { model, stages, devices, fps, latencyMs, bottleneck, bottleneckMs, optimal, gap, solveMs } = report
  const used = stages.reduce((sum, { replicas }) => sum + replicas, 0)
  return [
    `${model} on ${used} of ${devices.length} devices: ${Number(fps.toPrecision(3))} frames per second, ${msText(latencyMs)} through`,
    `slowest: ${bottleneck}, ${msText(bottleneckMs)} per frame (${proofText(optimal, gap)}; planned in ${msText(solveMs)})`,
  ].join('\n')
}

export function proofText(optimal: boolean, gap: number): string {
  return optimal ? 'proved: no plan is faster' : `the best there is may be ${(100 * gap).toFixed(1)} % faster`
}

function stages({ stages }: PlanReport): string {
  return table(
    ['stage', 'devices', 'blocks', 'compute ms', 'codec ms', 'memory', 'out', 'link ms'],
    stages.map(({ stage, devices, from, to, computeMs, codecMs, memoryBytes, outBytes, linkMs }) => [
      stage,
      devices.join(' '),
      `${from}-${to - 1}`,
      round(computeMs, 2),
      round(codecMs, 2),
      bytesText(Math.round(memoryBytes)),
      bytesText(Math.round(outBytes)),
      round(linkMs, 2),
    ]),
  )
}

function busiest({ loads }: PlanReport): string {
  return loads
    .slice(0, MOST_LOADS)
    .map(({ resource, ms }) => `${resource} ${msText(ms)}`)
    .join(', ')
}

function baselines({ baselines, bottleneckMs }: PlanReport): string {
  return table(
    ['other ways to plan', 'slowest', 'frames/s', 'times as slow'],
    Object.entries(baselines).map(([name, ms]) =>
      ms === null
        ? [name, 'does not fit', '-', '-']
        : [name, msText(ms), Number((1_000 / ms).toPrecision(3)), Number((ms / bottleneckMs).toPrecision(3))],
    ),
  )
}
