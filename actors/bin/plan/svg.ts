import { type LoadReport, type PlanReport, type StageReport } from '../../../core/planner/index.js'
import { bytesText, msText } from './units.js'

/** Hues that are told apart by most people, also those who see no red or green (Okabe and Ito). */
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#f0e442', '#999999']
const WIDTH = 1_000
const MARGIN = 24
const STRIP_TOP = 112
const STRIP_HEIGHT = 56
const BAR_HEIGHT = 18
const BAR_GAP = 6
const NAME_WIDTH = 190
const FIGURE_WIDTH = 140
const MOST_BARS = 24
const BOTTLENECK = '#b00020'
/** Colours on which white cannot be read. */
const LIGHT = ['#f0e442', '#56b4e9', '#e69f00']

/** How strongly a bar's parts are coloured. */
const COMPUTE = 1
const CODEC = 0.7
const LINK = 0.4

/** What the picture shows beside the plan: the network in blocks, and what crosses before each and after the last. */
export interface Strip {
  readonly blocks: readonly { readonly computeMs: number }[]
  readonly crossings: readonly { readonly bytes: number; readonly tensors: number }[]
}

/**
 * A plan as a picture: the network as a strip, as long as its blocks take, coloured by stage, with what crosses each cut;
 * and a bar for each device and link, as long as a frame keeps it busy, with the slowest marked.
 */
export function planSvg(report: PlanReport, network: Strip): string {
  const loads = shownLoads(report)
  const bars = loads.slice(0, MOST_BARS)
  const barsTop = STRIP_TOP + STRIP_HEIGHT + 96
  const height = barsTop + bars.length * (BAR_HEIGHT + BAR_GAP) + 56
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    ...heading(report),
    text(MARGIN, STRIP_TOP - 22, 'The network, as wide as its parts take; below, what a frame takes across', {
      size: 14,
      bold: true,
    }),
    ...strip(report, network),
    text(MARGIN, barsTop - 18, 'How long a frame keeps each device and link busy', { size: 14, bold: true }),
    ...legend(barsTop - 30),
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

/** How the parts of bars are to be read, at the right. */
function legend(y: number): string[] {
  const entries = [
    ['computing', COMPUTE],
    ['packing and unpacking frames', CODEC],
    ['sending', LINK],
  ] as const
  let x = WIDTH - MARGIN - 370
  return entries.flatMap(([label, opacity]) => {
    const box = rect({ x, y, width: 12, height: 12 }, '#333', opacity)
    const entry = [box, text(x + 17, y + 10, label, { size: 11 })]
    x += 40 + 6 * label.length
    return entry
  })
}

function strip(report: PlanReport, { blocks, crossings: tensorsAt }: Strip): string[] {
  const total = blocks.reduce((sum, { computeMs }) => sum + computeMs, 0)
  const scale = (WIDTH - 2 * MARGIN) / (total > 0 ? total : 1)
  const ends = [MARGIN]
  for (const { computeMs } of blocks) ends.push((ends.at(-1) ?? MARGIN) + computeMs * scale)
  const at = (block: number) => ends[block] ?? MARGIN
  const parts = report.stages.flatMap(stage => stageBox(stage, at))
  const seams = ends.slice(1, -1).map(x => line(x, STRIP_TOP, x, STRIP_TOP + STRIP_HEIGHT, '#ffffff80', 0.6))
  const positions = [0, ...report.stages.map(({ to }) => to)]
  const cuts = positions.flatMap((position, i) => {
    const { bytes = 0, tensors = 0 } = tensorsAt[position] ?? {}
    const label = tensors > 1 ? `${bytesText(bytes)} in ${tensors} tensors` : bytesText(bytes)
    const anchor = i === 0 ? 'start' : i === positions.length - 1 ? 'end' : 'middle'
    return cut(at(position), label, anchor, i)
  })
  return [...parts, ...seams, ...cuts]
}

function stageBox({ stage, devices, from, to }: StageReport, at: (block: number) => number): string[] {
  const [x, width] = [at(from), Math.max(1, at(to) - at(from))]
  const box = rect({ x, y: STRIP_TOP, width, height: STRIP_HEIGHT }, colourOf(stage), 1)
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
function cut(x: number, label: string, anchor: string, index: number): string[] {
  const y = STRIP_TOP + STRIP_HEIGHT + (index % 2 === 0 ? 18 : 34)
  return [line(x, STRIP_TOP - 6, x, y - 11, '#222', 1.5), text(x, y, label, { anchor })]
}

function bar(report: PlanReport, { resource, ms }: LoadReport, y: number): string[] {
  const x = MARGIN + NAME_WIDTH
  const width = ((WIDTH - 2 * MARGIN - NAME_WIDTH - FIGURE_WIDTH) * ms) / report.bottleneckMs
  const stage = report.stages.find(({ devices }) => devices.includes(resource.split(' ')[0] ?? ''))
  const slowest = ms >= report.bottleneckMs * (1 - 1e-9)
  const fill = stage === undefined ? '#777' : colourOf(stage.stage)
  const whole = { x, y, width: Math.max(1, width), height: BAR_HEIGHT }
  const computing = resource.includes(' ') ? 0 : whole.width * computeShare(stage)
  return [
    text(x - 8, y + 13, resource, { anchor: 'end', bold: slowest }),
    rect({ ...whole, width: computing }, fill, COMPUTE),
    rect(
      { ...whole, x: x + computing, width: whole.width - computing },
      fill,
      resource.includes(' ') ? LINK : CODEC,
    ),
    ...(slowest ? [frame(whole)] : []),
    text(x + width + 8, y + 13, `${msText(ms)}${slowest ? '  slowest' : ''}`, {
      fill: slowest ? BOTTLENECK : '#222',
      bold: slowest,
    }),
  ]
}

function computeShare(stage: StageReport | undefined): number {
  const { computeMs = 1, codecMs = 0 } = stage ?? {}
  return computeMs + codecMs > 0 ? computeMs / (computeMs + codecMs) : 1
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

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

function rect(box: Box, fill: string, opacity: number): string {
  return `<rect ${edges(box)} fill="${fill}" fill-opacity="${opacity}"/>`
}

function frame(box: Box): string {
  return `<rect ${edges(box)} fill="none" stroke="${BOTTLENECK}" stroke-width="3"/>`
}

function edges({ x, y, width, height }: Box): string {
  return `x="${px(x)}" y="${px(y)}" width="${px(width)}" height="${px(height)}"`
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
