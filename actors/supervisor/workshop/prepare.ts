import { relativeError } from '../../../core/compare.js'
import { MillraceError } from '../../../core/errors.js'
import {
  completeSpecs,
  cutGraph,
  type ExternalFile,
  type Graph,
  type Partition,
  readGraph,
  type RunModel,
} from '../../../core/graph/index.js'
import { type Block, cutCandidates, planEqualWorkers } from '../../../core/planner/index.js'
import { type Tensors, type TensorSpec } from '../../../core/tensor.js'
import { externalFile, type PartStore } from '../../model-store/index.js'
import { measureBlocks, sampleFrame } from '../../profiler/index.js'
import { type MeasuredChain, measureChain } from './measure.js'
import { type Order, type PreparedModel, type PreparedPart } from './messages.js'
import { openWhole } from './whole-model.js'

/** The largest relative error of a float32 chain (promise 9). */
const TOLERANCE = 1e-4
/** Blocks that are measured in turns may not take much more memory than one after the other. */
const BLOCK_LIMITS = { fewest: 1, most: 25, openBytes: 2 ** 26 }

/**
 * Read, measure, plan, cut, check, store: what `prepareModel` promises. `checkpoint` throws to stop between steps. The
 * parts are held in the store.
 */
export async function prepare(
  bytes: Uint8Array,
  order: Order,
  store: PartStore,
  checkpoint: () => Promise<void>,
): Promise<PreparedModel> {
  const graph = readGraph(bytes, { name: order.name, externalData: location => dataAt(order, location) })
  const whole = await openWhole(store, order.data)
  try {
    return await prepareGraph(graph, { bytes, run: whole.run }, order, store, checkpoint)
  } finally {
    await whole.close()
  }
}

function dataAt({ data }: Order, location: string): ExternalFile {
  const stored = data.find(one => one.location === location)
  if (stored === undefined) throw new MillraceError('MODEL_DATA_MISSING', 'it was not sent with the model')
  return externalFile(stored.path)
}

async function prepareGraph(
  graph: Graph,
  model: { readonly bytes: Uint8Array; readonly run: RunModel },
  order: Order,
  store: PartStore,
  checkpoint: () => Promise<void>,
): Promise<PreparedModel> {
  const feedsOf = (size: number) => sampleFrame(graph.inputs, size)
  const feeds = feedsOf(1)
  const whole = await model.run(model.bytes, feeds)
  await checkpoint()
  const specs = await completeSpecs(graph, model.run, feedsOf)
  await checkpoint()
  const cuts = await chooseCuts(graph, specs, feeds, order, checkpoint)
  const partitions = cutGraph(graph, cuts, specs)
  const chain = await measureChain(partitions, feeds, order.measureMs, checkpoint)
  const sampleError = relativeError(chain.outputs, whole)
  if (!(sampleError <= TOLERANCE)) {
    throw new MillraceError(
      'VERIFY_FAILED',
      `${order.name} in ${partitions.length} parts differs from the whole by ${sampleError} on a sample frame`,
    )
  }
  const parts = await storeParts(partitions, chain, store)
  return { inputs: graph.inputs, outputs: graph.outputs, parts, sampleError }
}

async function storeParts(
  partitions: readonly Partition[],
  chain: MeasuredChain,
  store: PartStore,
): Promise<PreparedPart[]> {
  const parts: PreparedPart[] = []
  for (const [stage, partition] of partitions.entries()) {
    const { computeMs = 0, outBytes = 0 } = chain.stages[stage] ?? {}
    const { receives, carries, sends, operators, weightBytes } = partition
    const part = await store.put(partition.model)
    parts.push({ part, receives, carries, sends, operators, weightBytes, outBytes, computeMs })
    await store.hold(
      'made',
      parts.map(({ part }) => part.sha256),
    )
  }
  return parts
}

/** Measures every block between two good positions, and takes the cuts that make the slowest part fastest. */
async function chooseCuts(
  graph: Graph,
  specs: ReadonlyMap<string, TensorSpec>,
  feeds: Tensors,
  order: Order,
  checkpoint: () => Promise<void>,
): Promise<number[]> {
  const most = graph.positions.filter(position => position.cuttable).length + 1
  const count = order.fewerWillDo ? Math.min(order.partitions, most) : order.partitions
  if (count === 1) return []
  const positions = cutCandidates(graph, count)
  const partitions = cutGraph(graph, positions, specs)
  const limits = { budgetMs: order.measureMs, ...BLOCK_LIMITS }
  const measured = await measureBlocks(partitions, feeds, limits, checkpoint)
  const bounds = [0, ...positions, graph.nodes.length]
  const blocks = partitions.map((partition: Partition, i): Block => ({
    from: bounds[i] ?? 0,
    to: bounds[i + 1] ?? 0,
    computeMs: measured[i]?.ms ?? 0,
    outBytes: measured[i]?.messageBytes ?? 0,
    weightBytes: partition.weightBytes,
  }))
  return [...planEqualWorkers(blocks, count, order).cuts]
}
