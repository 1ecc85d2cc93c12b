import { table } from '../table.js'
import { type DeferMeasured, HUB_CORES } from './measure.js'
import { isRow, type RefusedRow, type Row } from './rows.js'

/** What is wanted of eight devices and ResNet-50. */
export interface Target {
  readonly what: string
  readonly wanted: string
  readonly measured: number
  readonly kept: boolean
}

/** At least so many times as fast as one device, by the bandwidth of links in Mbit/s. */
const RATIOS: Readonly<Record<number, Readonly<Record<string, number>>>> = {
  1_000: { chain: 6, choice: 6.4 },
  100: { chain: 4.5, choice: 6 },
  18: { choice: 3 },
  2.9: { choice: 1 },
}
/** With float32 between stages, over links that do not matter. */
const RATIOS_F32 = { choice: 4.8 }
const FAST_MBPS = 1_000
const SAVED = 0.8
/** Of the largest logit. */
const ERROR = 0.02
const ERROR_F32 = 1e-4
const ROOMY = { devices: 8, least: 7.2 }
const PLANNED = [0.9, 1.1] as const

/** Of the schemes that were asked for. */
export function targetsOf(
  rows: readonly (Row | RefusedRow)[],
  { wire, linkMbps }: { readonly wire: string; readonly linkMbps: number },
): Target[] {
  const isF32 = wire === 'f32'
  const isFast = linkMbps === FAST_MBPS
  const ratios: Readonly<Record<string, number>> =
    isF32 && isFast ? RATIOS_F32 : isF32 ? {} : (RATIOS[linkMbps] ?? {})
  return rows
    .filter(({ key }) => key === 'chain' || key === 'choice')
    .flatMap(row => {
      const least = ratios[row.key]
      const figures = isRow(row)
        ? { ratio: row.ratio, saved: row.cpuSaved, error: row.accuracy.maxRelativeError }
        : { ratio: 0, saved: 0, error: Infinity }
      return [
        ...(least === undefined ? [] : [atLeast(`${row.key}, times one device`, least, figures.ratio)]),
        ...(isFast ? [atLeast(`${row.key}, processor time saved on a node`, SAVED, figures.saved)] : []),
        atMost(`${row.key}, relative error`, isF32 ? ERROR_F32 : ERROR, figures.error),
      ]
    })
}

/** Of every number of devices: that plans come true, and that replicas of the whole model pay where they fit. */
export function scaleTargetsOf(rows: readonly (Row | RefusedRow)[], devices: number): Target[] {
  return rows
    .filter(isRow)
    .flatMap(({ key, ratio, measuredToPlanned }) => [
      ...(key === 'roomy' && devices === ROOMY.devices
        ? [atLeast(`${key}, times one device`, ROOMY.least, ratio)]
        : []),
      within(`${key}, measured of planned`, PLANNED, measuredToPlanned),
    ])
}

function within(what: string, [least, most]: readonly [number, number], measured: number): Target {
  return { what, wanted: `${least} to ${most}`, measured, kept: measured >= least && measured <= most }
}

function atLeast(what: string, least: number, measured: number): Target {
  return { what, wanted: `>= ${least}`, measured, kept: measured >= least }
}

function atMost(what: string, most: number, measured: number): Target {
  return { what, wanted: `<= ${most}`, measured, kept: measured <= most }
}

export function setText(model: string, devices: number, cpu: number, linkMbps: number): string {
  return [
    `${model} on ${devices} devices of ${cpu} core, links of ${linkMbps} Mbit/s; dispatcher, broker and supervisor`,
    `on a machine of their own (${HUB_CORES} core), which hosts no stage. Every row, that of one device too, is fed`,
    'the same frames by the same dispatcher, through the broker: pixels as uint8, which the first partition scales.',
  ].join('\n')
}

export function rowsText(rows: readonly (Row | RefusedRow)[]): string {
  const speeds = table(
    ['scheme', 'fps', 'spread', 'times one', 'spread', 'bound', 'efficiency', 'planned', 'of plan'],
    rows
      .filter(isRow)
      .map(row => [
        ...[row.scheme, row.fps.toFixed(2), range(row.fpsSpread)],
        ...[row.ratio.toFixed(2), range(row.ratioSpread), row.bound?.toFixed(2) ?? '-'],
        ...[row.efficiency.toFixed(2), row.plannedFps.toFixed(2), row.measuredToPlanned.toFixed(2)],
      ]),
  )
  const costs = table(
    [
      'scheme',
      'kB a frame',
      'cpu ms a node',
      'most',
      'hub',
      'saved',
      'ms p50',
      'p99',
      'error',
      'top 1',
      'weights',
    ],
    rows
      .filter(isRow)
      .map(row => [
        ...[row.key, (row.bytesPerFrame / 1e3).toFixed(0), row.cpuMsPerFramePerNode.toFixed(1)],
        ...[row.cpuMsPerFrameMost.toFixed(1), row.hubCpuMsPerFrame.toFixed(1), percent(row.cpuSaved)],
        ...[row.latencyMs.p50.toFixed(0), row.latencyMs.p99.toFixed(0)],
        ...[
          row.accuracy.maxRelativeError.toExponential(1),
          percent(row.top1Agreement),
          percent(row.mostWeights),
        ],
      ]),
  )
  const stages = rows.map(row =>
    isRow(row)
      ? `${row.key}: ${row.stages.map(workers => workers.join('+')).join(' > ')}${anew(row)}`
      : `${row.key}: refused, ${row.refused}`,
  )
  return [speeds, costs, stages.join('\n')].join('\n\n')
}

export function aboutText(
  { answers, load, idleCores }: DeferMeasured,
  rows: readonly (Row | RefusedRow)[],
): string {
  const [least, tenth, median] = answers.margins.map(margin => margin.toExponential(1))
  const compared = Math.min(...rows.filter(isRow).map(({ accuracy }) => accuracy.frames))
  return [
    `answers: ${answers.classes} classes are the first among ${answers.count} different frames; it leads by ${least} of the ` +
      `largest logit at least, ${tenth} in a tenth, ${median} in half of them. ${compared} or more of them were compared.`,
    `load average ${load.before.toFixed(2)} before and ${load.after.toFixed(2)} after (the emulated devices are part of that); ` +
      `a device with nothing to do takes ${idleCores.toFixed(3)} core`,
  ].join('\n')
}

export function targetText({ what, wanted, measured, kept }: Target): string {
  return `${kept ? 'kept' : 'MISSED'}: ${what} ${Number(measured.toPrecision(3))}, wanted ${wanted}`
}

function anew({ epochs: [first, last] }: Row): string {
  return first === last ? '' : ` (planned anew meanwhile: epoch ${first} to ${last})`
}

function range([least, most]: readonly [number, number]): string {
  return `${least.toFixed(2)}-${most.toFixed(2)}`
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`
}
