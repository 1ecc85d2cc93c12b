import { type LoadReport, type PlanReport, type StageReport } from '../../../core/planner/index.js'
import { bytesText, msText } from './units.js'

/** Hues that are told apart by most people, also those who see no red or green (Okabe and Ito). */
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#f0e442', '#999999']
const WIDTH = 1_000
const MARGIN = 24
const STRIP_TOP = 96
const STRIP_HEIGHT = 56
const BAR_HEIGHT = 18
const BAR_GAP = 6
const NAME_WIDTH = 190
const FIGURE_WIDTH = 140
const MOST_BARS = 24
const BOTTLENECK = '#b00020'
/** Colours on which white cannot be read. */
const LIGHT = ['#f0e442', '#56b4e9', '#e69f00']

/** What the picture shows beside the plan. */
export interface StripBlock {
  readonly computeMs: number
}

/**
 * A plan as a picture: the network as a strip, as long as its blocks take, coloured by stage, with what crosses each cut;
 * and a bar for each device and link, as long as a frame keeps it busy, with the slowest marked.
 */
export function planSvg(report: PlanReport, blocks: readonly StripBlock[], inputBytes: number): string {
  const loads = shownLoads(report)
  const bars = loads.slice(0, MOST_BARS)
  const barsTop = STRIP_TOP + STRIP_HEIGHT + 96
  const height = barsTop + bars.length * (BAR_HEIGHT + BAR_GAP) + 56
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    ...heading(report),
    ...strip(report, blocks, inputBytes),
    text(MARGIN, barsTop - 18, 'How long a frame keeps each device and link busy', { size: 14, bold: true }),
    ...bars.flatMap((load, i) => bar(report, load, barsTop + i * (BAR_HEIGHT + BAR_GAP))),
    ...(loads.length > bars.length
      ? [text(MARGIN, height - 34, `and ${loads.length - bars.length} that are less busy`, {})]
      : []),
    text(MARGIN, height - 14, baselinesText(report), { fill: '#555' }),
    '</svg>',
    '',
  ].join('\n')
}

/** Where no stage has replicas, a network card carries what one link does. */
function shownLoads({ loads, stages }: PlanReport): readonly LoadReport[] {
  if (stages.some(({ replicas }) => replicas > 1)) return loads
  return loads.filter(({ resource }) => !/ (sending|receiving)$/.test(resource))
}

function heading(report: PlanReport): string[] {
  const { model, fps, latencyMs, stages, bottleneck, bottleneckMs } = report
  const used = stages.reduce((sum, { replicas }) => sum + replicas, 0)
  const proof = report.optimal
    ? 'no plan is faster'
    : `at most ${(100 * report.gap).toFixed(1)} % above the best`
  return [
    text(MARGIN, 30, `${model} on ${used} of ${report.devices.length} devices`, { size: 18, bold: true }),
    text(
      MARGIN,
      52,
      `${fps.toPrecision(3)} frames per second, ${msText(latencyMs)} through; ${bottleneck} is the slowest with ${msText(bottleneckMs)} per frame; ${proof}`,
      { size: 13 },
    ),
  ]
}

function strip(report: PlanReport, blocks: readonly StripBlock[], inputBytes: number): string[] {
  const total = blocks.reduce((sum, { computeMs }) => sum + computeMs, 0)
  const scale = (WIDTH - 2 * MARGIN) / (total > 0 ? total : 1)
  const ends = [MARGIN]
  for (const { computeMs } of blocks) ends.push((ends.at(-1) ?? MARGIN) + computeMs * scale)
  const at = (block: number) => ends[block] ?? MARGIN
  const parts = report.stages.flatMap(stage => stageBox(stage, at))
  const seams = ends.slice(1, -1).map(x => line(x, STRIP_TOP, x, STRIP_TOP + STRIP_HEIGHT, '#ffffff80', 0.6))
  const crossings = [
    { x: MARGIN, bytes: inputBytes, anchor: 'start' },
    ...report.stages.map(({ to, outBytes }, i) => ({
      x: at(to),
      bytes: outBytes,
      anchor: i === report.stages.length - 1 ? 'end' : 'middle',
    })),
  ]
  return [...parts, ...seams, ...crossings.flatMap(({ x, bytes, anchor }, i) => cut(x, bytes, anchor, i))]
}

function stageBox({ stage, devices, from, to }: StageReport, at: (block: number) => number): string[] {
  const [x, width] = [at(from), Math.max(1, at(to) - at(from))]
  const box = `<rect x="${px(x)}" y="${STRIP_TOP}" width="${px(width)}" height="${STRIP_HEIGHT}" fill="${colourOf(stage)}"/>`
  const name = `${devices[0]}${devices.length > 1 ? ` +${devices.length - 1}` : ''}`
  // What has no room is in the bars below, in the same colour.
  const room = width > 7 * name.length + 8
  const label = room
    ? [
        text(x + width / 2, STRIP_TOP + STRIP_HEIGHT / 2 + 4, name, {
          anchor: 'middle',
          fill: LIGHT.includes(colourOf(stage)) ? '#222' : 'white',
          bold: true,
        }),
      ]
    : []
  return [`<g><title>${escape(`stage ${stage} on ${devices.join(', ')}`)}</title>${box}</g>`, ...label]
}

/** Every second one lower, so that neighbours do not overlap. */
function cut(x: number, bytes: number, anchor: string, index: number): string[] {
  const y = STRIP_TOP + STRIP_HEIGHT + (index % 2 === 0 ? 18 : 34)
  return [
    line(x, STRIP_TOP - 6, x, y - 11, '#222', 1.5),
    text(x, y, bytesText(bytes), { anchor, fill: '#222' }),
  ]
}

function bar(report: PlanReport, { resource, ms }: LoadReport, y: number): string[] {
  const longest = WIDTH - 2 * MARGIN - NAME_WIDTH - FIGURE_WIDTH
  const width = (longest * ms) / report.bottleneckMs
  const stage = report.stages.find(({ devices }) => devices.includes(resource.split(' ')[0] ?? ''))
  const slowest = ms >= report.bottleneckMs * (1 - 1e-9)
  const link = resource.includes(' ')
  const fill = stage === undefined ? '#777' : colourOf(stage.stage)
  const edge = slowest ? ` stroke="${BOTTLENECK}" stroke-width="3"` : ''
  return [
    text(MARGIN + NAME_WIDTH - 8, y + 13, resource, { anchor: 'end', bold: slowest }),
    `<rect x="${MARGIN + NAME_WIDTH}" y="${y}" width="${px(Math.max(1, width))}" height="${BAR_HEIGHT}" fill="${fill}" fill-opacity="${link ? 0.45 : 1}"${edge}/>`,
    text(MARGIN + NAME_WIDTH + width + 8, y + 13, `${msText(ms)}${slowest ? '  slowest' : ''}`, {
      fill: slowest ? BOTTLENECK : '#222',
      bold: slowest,
    }),
  ]
}

function baselinesText({ baselines }: PlanReport): string {
  const said = Object.entries(baselines).map(
    ([name, ms]) => `${name} ${ms === null ? 'does not fit' : msText(ms)}`,
  )
  return said.length === 0 ? '' : `For comparison, the slowest part of other ways to plan: ${said.join(', ')}`
}

function colourOf(stage: number): string {
  return COLOURS[stage % COLOURS.length] ?? '#777'
}

interface TextStyle {
  readonly size?: number
  readonly bold?: boolean
  readonly anchor?: string
  readonly fill?: string
}

function text(x: number, y: number, content: string, style: TextStyle): string {
  const { size = 12, bold = false, anchor = 'start', fill = '#222' } = style
  const weight = bold ? ' font-weight="bold"' : ''
  return `<text x="${px(x)}" y="${px(y)}" font-size="${size}" text-anchor="${anchor}" fill="${fill}"${weight}>${escape(content)}</text>`
}

function line(x1: number, y1: number, x2: number, y2: number, stroke: string, width: number): string {
  return `<line x1="${px(x1)}" y1="${px(y1)}" x2="${px(x2)}" y2="${px(y2)}" stroke="${stroke}" stroke-width="${width}"/>`
}

function px(value: number): string {
  return value.toFixed(1)
}

function escape(content: string): string {
  return content
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
