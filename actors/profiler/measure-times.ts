import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import {
  blockAndCutTimes,
  type BlockCosts,
  type Costs,
  COSTS_VERSION,
  type CrossingCosts,
  liveBytes,
  type Machine,
  relativeSpread,
} from '../../core/costs/index.js'
import {
  type CodedValue,
  completeSpecs,
  cutGraph,
  floatsAcross,
  type Graph,
  graphFile,
  readGraph,
  type RunModel,
  tensorSizes,
} from '../../core/graph/index.js'
import { cutCandidates } from '../../core/planner/index.js'
import { type Tensors } from '../../core/tensor.js'
import { externalFile } from '../model-store/index.js'
import { measureBlocks, type MeasuredBlock, messageBytes } from './blocks.js'
import { measureCodec } from './codec.js'
import { measureConversions } from './conversions.js'
import { runEachBeside, runOnce } from './run-model.js'
import { sampleFrame } from './sample-frame.js'
import { measureWhole, OPEN_BYTES, type WholeTimes } from './whole.js'

/** All of a cost file but what only other processes can tell. */
export type Times = Omit<Costs, 'memory' | 'transport'>

export interface TimesOrder {
  /** Path of an ONNX file, whose external data lies beside it. */
  readonly model: string
  /** In messages and in the cost file; left out, that of the file. */
  readonly name?: string
  /** An empty folder. */
  readonly folder: string
  readonly machine: Machine
  /** For the whole model, and for the blocks together, in ms. */
  readonly budgetMs: number
  /** How many partitions blocks must do for, by cuts that break fusions if need be; left out: by none that does. */
  readonly partitions?: number
  /**
   * For a model that must not be held in one piece: it is run from its file, whose folder takes further ones meanwhile,
   * and blocks have the times that they take as sessions of their own. Default false.
   */
  readonly apart?: boolean
}

const FEWEST_ROUNDS = 5
const MOST_ROUNDS = 30

/**
 * Measures a model by running it on one frame: its nodes under ONNX Runtime's profiler, its blocks as sessions of their
 * own, and the codec. Blocks its thread for each run.
 * @throws MODEL_NOT_FOUND, MODEL_INVALID, MODEL_TRUNCATED, MODEL_DATA_MISSING, GRAPH_INVALID; MODEL_UNSUPPORTED: ONNX
 *   Runtime cannot run it, or it is larger than 2 GiB with its external data; INFERENCE_FAILED
 */
export async function measureTimes(
  order: TimesOrder,
  checkpoint: () => Promise<void> = async () => {},
): Promise<Times> {
  const { apart = false, name = basename(order.model) } = order
  const bytes = await readFile(order.model)
  const outside = graphOf(bytes, order.model, name)
  const graph = apart ? outside : inOnePiece(outside)
  const runApart: RunModel = async (model, feeds) => {
    const [outputs = {}] = await runEachBeside(dirname(order.model), model, [feeds])
    return outputs
  }
  const run: RunModel = apart ? runApart : runOnce
  const feeds = sampleFrame(graph.inputs)
  const specs = await completeSpecs(graph, run, size => sampleFrame(graph.inputs, size))
  const sizes = await tensorSizes(graph, run, feeds)
  const positions = cutCandidates(graph, order.partitions ?? 1)
  const partitions = cutGraph(graph, positions, specs)
  const weightBytes = cutGraph(graph, [])[0]?.weightBytes ?? 0
  const limits = { budgetMs: order.budgetMs, fewest: FEWEST_ROUNDS, most: MOST_ROUNDS }
  const wholeLimits = { ...limits, folder: order.folder, weightBytes }
  const profiled = apart ? undefined : await measureWhole(graph, feeds, wholeLimits, checkpoint)
  const alone = await measureBlocks(
    partitions,
    feeds,
    { ...limits, budgetMs: order.budgetMs / partitions.length, openBytes: OPEN_BYTES },
    checkpoint,
  )
  const bounds = [0, ...positions, graph.nodes.length]
  const model = {
    name,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    bytes: bytes.byteLength,
  }
  const widths = partitions.map(partition => partition.weightBytes)
  const whole = profiled ?? sumOf(alone, bounds)
  const floats = floatsAcross(graph, positions, specs)
  const chain = chainCosts(graph, bounds, { whole, alone, widths, sizes, feeds, floats })
  return {
    version: COSTS_VERSION,
    model,
    machine: order.machine,
    measuredAt: new Date().toISOString(),
    ...chain,
    ...(apart ? { nodes: [] } : {}),
    codec: await measureCodec(
      chain.crossings.map(crossing => crossing.bytes),
      limits,
      checkpoint,
    ),
    conversions: await measureConversions(
      chain.crossings,
      { ...limits, budgetMs: order.budgetMs / 2 },
      checkpoint,
    ),
  }
}

function graphOf(bytes: Uint8Array, path: string, name: string): Graph {
  const folder = dirname(resolve(path))
  const externalData = (location: string) => externalFile(resolve(folder, location))
  return readGraph(bytes, { name, externalData })
}

/** With its weights inside, so that it runs from wherever its file is. */
function inOnePiece(graph: Graph): Graph {
  return graph.externalFiles.length === 0 ? graph : readGraph(graphFile(graph), { name: graph.title })
}

/** The whole as if cuts cost nothing; each block's time is with its last node. */
function sumOf(alone: readonly MeasuredBlock[], bounds: readonly number[]): WholeTimes {
  const sum = alone.reduce((total, { ms }) => total + ms, 0)
  const nodeMs = Array.from({ length: bounds.at(-1) ?? 0 }, () => 0)
  for (const [i, { ms }] of alone.entries()) nodeMs[(bounds[i + 1] ?? 1) - 1] = ms
  return { nodeMs, unmappedMs: 0, runMs: [sum], plainMs: [sum] }
}

interface Measured {
  readonly whole: WholeTimes
  readonly alone: readonly MeasuredBlock[]
  /** Bytes of the weights of each block. */
  readonly widths: readonly number[]
  readonly sizes: ReadonlyMap<string, number>
  readonly feeds: Tensors
  /** At each border between two blocks, what lossy wires would carry in another form. */
  readonly floats: readonly (readonly CodedValue[])[]
}

type ChainCosts = Pick<Times, 'runs' | 'wholeMs' | 'unmappedMs' | 'spread' | 'blocks' | 'crossings' | 'nodes'>

function chainCosts(graph: Graph, bounds: readonly number[], measured: Measured): ChainCosts {
  const { whole, alone, widths, sizes, feeds, floats } = measured
  const wholeMs = Math.min(...whole.plainMs)
  const profiledMs = whole.nodeMs.reduce((sum, ms) => sum + ms, 0)
  const blockTimes = alone.map(({ ms, inBytes, outBytes }, i) => {
    const nodes = whole.nodeMs.slice(bounds[i], bounds[i + 1])
    return { wholeMs: nodes.reduce((sum, one) => sum + one, 0), aloneMs: ms, inBytes, outBytes }
  })
  const { computeMs, cutMsBefore, cutMsAfter } = blockAndCutTimes(blockTimes, wholeMs)
  const live = liveBytes(graph.nodes, endsOf(graph), name => sizes.get(name) ?? 0)
  const blocks = alone.map((_, i): BlockCosts => {
    const [from, to] = [bounds[i] ?? 0, bounds[i + 1] ?? 0]
    const activationBytes = live.slice(from, to).reduce((most, bytes) => Math.max(most, bytes), 0)
    return { from, to, computeMs: computeMs[i] ?? 0, weightBytes: widths[i] ?? 0, activationBytes }
  })
  const messages = [messageBytes(feeds), ...alone.map(block => block.messageBytes)]
  const crossings = messages.map((bytes, i): CrossingCosts => {
    const inside = i > 0 && i < messages.length - 1
    const coded = inside ? (floats[i - 1] ?? []) : []
    return {
      bytes,
      tensors: tensorsAt(graph, bounds[i] ?? 0),
      floatBytes: coded.reduce((sum, { value }) => sum + (sizes.get(value) ?? 0), 0),
      floats: coded.length,
      channels: coded.reduce((sum, { channels }) => sum + channels, 0),
      cutMsBefore: inside ? cutMsBefore(bytes) : 0,
      cutMsAfter: inside ? cutMsAfter(bytes) : 0,
    }
  })
  // The profiler takes time of its own, and a run has some beside its kernels.
  const scale = profiledMs === 0 ? 0 : wholeMs / profiledMs
  return {
    runs: whole.runMs.length,
    wholeMs,
    unmappedMs: whole.unmappedMs * scale,
    spread: relativeSpread(whole.plainMs),
    blocks,
    crossings,
    nodes: graph.nodes.map(({ name, opType }, i) => ({
      name,
      operator: opType,
      ms: (whole.nodeMs[i] ?? 0) * scale,
    })),
  }
}

function endsOf({ inputs, outputs }: Graph): { arriving: string[]; leaving: string[] } {
  return { arriving: inputs.map(({ name }) => name), leaving: outputs.map(({ name }) => name) }
}

function tensorsAt({ inputs, outputs, nodes, positions }: Graph, position: number): number {
  if (position === 0) return inputs.length
  return position === nodes.length ? outputs.length : (positions[position - 1]?.crossing.length ?? 0)
}
