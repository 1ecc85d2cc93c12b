import { type Costs, timeOf } from '../../../core/costs/index.js'
import { LossyWire } from '../../../core/wire.js'
import { round, table } from '../cli/tables.js'

/** A busy machine shows above this. */
const NOISY = 0.2
const MIB = 2 ** 20

/** A cost file for people: the heaviest blocks in the order of the model, and all others in one line. */
export function costsText(costs: Costs, most: number): string {
  const { model, machine, wholeMs, runs, spread, memory, codec, conversions, crossings } = costs
  const floats = crossings.reduce((bytes, crossing) => Math.max(bytes, crossing.floatBytes), 0)
  const largest = crossings.reduce((bytes, crossing) => Math.max(bytes, crossing.bytes), 0)
  const lines = [
    `${model.name}: ${round(wholeMs, 2)} ms of one core, ${runs} runs, spread ${percent(spread)}`,
    `on ${machine.cpu}, ${machine.cores} cores, Node.js ${machine.node}, ONNX Runtime ${machine.onnxruntime}`,
    blockTable(costs, most),
    `time of no known operator: ${round(costs.unmappedMs, 2)} ms`,
    `codec: ${round(timeOf(codec.encode, largest), 3)} ms to encode the largest message (${largest} bytes), ` +
      `${round(timeOf(codec.decode, largest), 3)} ms to decode it`,
    ...LossyWire.options.map(wire => {
      const { encode, decode } = conversions[wire]
      const ms = [timeOf(encode, floats), timeOf(decode, floats)].map(one => round(one, 3))
      return `wire ${wire}: ${ms[0]} ms to convert the largest crossing (${floats} bytes of float32), ${ms[1]} ms back`
    }),
    `memory: process ${mib(memory.processBytes)} MiB, session ${mib(memory.sessionBytes)} MiB, ` +
      `${round(memory.weightFactor, 2)} bytes for each of weights`,
  ]
  return [
    ...lines,
    ...(spread > NOISY ? ['the machine was busy: times are less certain than usual'] : []),
  ].join('\n')
}

const HEAD = ['block', 'nodes', 'ms', 'share', 'bytes out', 'weights', 'activations', 'cut ms']
type Row = (string | number)[]

function blockTable({ blocks, crossings, wholeMs }: Costs, most: number): string {
  const heaviest = blocks
    .map((block, i) => ({ block, i }))
    .sort((a, b) => b.block.computeMs - a.block.computeMs)
    .slice(0, most)
  const shown = new Set(heaviest.map(({ i }) => i))
  const rows = blocks.flatMap(({ from, to, computeMs, weightBytes, activationBytes }, i): Row[] => {
    const { bytes = 0, cutMsBefore = 0, cutMsAfter = 0 } = crossings[i + 1] ?? {}
    const share = percent(wholeMs === 0 ? 0 : computeMs / wholeMs)
    const cut = round(cutMsBefore + cutMsAfter, 2)
    const row = [i, `${from}-${to}`, round(computeMs, 2), share, bytes, weightBytes, activationBytes, cut]
    return shown.has(i) ? [row] : []
  })
  const others = blocks.filter((_, i) => !shown.has(i))
  if (others.length === 0) return table(HEAD, rows)
  const ms = others.reduce((sum, { computeMs }) => sum + computeMs, 0)
  const weights = others.reduce((sum, { weightBytes }) => sum + weightBytes, 0)
  const activations = others.reduce((top, { activationBytes }) => Math.max(top, activationBytes), 0)
  const share = percent(wholeMs === 0 ? 0 : ms / wholeMs)
  return table(HEAD, [
    ...rows,
    [`${others.length} more`, '', round(ms, 2), share, '', weights, activations, ''],
  ])
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`
}

function mib(bytes: number): number {
  return round(bytes / MIB, 1)
}
