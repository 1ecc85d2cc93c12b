import { readFile } from 'node:fs/promises'
import { pipelineError, TOLERANCES } from '../../../core/compare.js'
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
import { externalFile, type PartStore } from '../../model-store/index.js'
import { sampleFrame } from '../../profiler/index.js'
import { type CutModel, type CutOrder, type CutPart } from './messages.js'
import { type ChainRun, runChain } from './run-chain.js'
import { openWhole } from './whole-model.js'

/**
 * Cuts a model, checks that the parts give what the whole gives, and stores them; they stay held in the store.
 * @param checkpoint  is awaited between steps, and throws to stop
 */
export async function cutParts(
  order: CutOrder,
  store: PartStore,
  checkpoint: () => Promise<void>,
): Promise<CutModel> {
  const bytes = await readFile(order.model)
  const graph = readGraph(bytes, { name: order.name, externalData: location => dataAt(order, location) })
  const whole = await openWhole(store, order.data)
  try {
    return await cutChecked(graph, { bytes, run: whole.run }, order, store, checkpoint)
  } finally {
    await whole.close()
  }
}

function dataAt({ data }: CutOrder, location: string): ExternalFile {
  const stored = data.find(one => one.location === location)
  if (stored === undefined) throw new MillraceError('MODEL_DATA_MISSING', 'it was not sent with the model')
  return externalFile(stored.path)
}

async function cutChecked(
  graph: Graph,
  model: { readonly bytes: Uint8Array; readonly run: RunModel },
  order: CutOrder,
  store: PartStore,
  checkpoint: () => Promise<void>,
): Promise<CutModel> {
  const feedsOf = (size: number) => sampleFrame(graph.inputs, size)
  const feeds = feedsOf(1)
  const whole = await model.run(model.bytes, feeds)
  await checkpoint()
  const specs = await completeSpecs(graph, model.run, feedsOf)
  await checkpoint()
  const partitions = cutGraph(graph, order.cuts, specs, order.wire)
  const chain = await runChain(partitions, feeds, checkpoint)
  const { wire = 'f32' } = order
  const sampleError = pipelineError(chain.outputs, whole, wire)
  if (!(sampleError <= TOLERANCES[wire])) {
    const advice = wire === 'f32' ? '' : `; with wire ${wire}, that is more than ${TOLERANCES[wire]}: try f32`
    throw new MillraceError(
      'VERIFY_FAILED',
      `${order.name} in ${partitions.length} parts differs from the whole by ${sampleError} on a sample frame${advice}`,
    )
  }
  const parts = await storeParts(partitions, chain, store)
  return { inputs: graph.inputs, outputs: graph.outputs, parts, sampleError }
}

async function storeParts(
  partitions: readonly Partition[],
  { outBytes, taken }: ChainRun,
  store: PartStore,
): Promise<CutPart[]> {
  const parts: CutPart[] = []
  for (const [stage, partition] of partitions.entries()) {
    const { receives, carries, sends, wire, decodes, encodes, operators, weightBytes } = partition
    const part = await store.put(partition.model)
    parts.push({
      ...{ part, receives, carries, sends, wire, decodes, encodes },
      ...{ operators, weightBytes },
      ...{ outBytes: outBytes[stage] ?? 0, rehearse: taken[stage] ?? [] },
    })
    await store.hold(
      'made',
      parts.map(({ part }) => part.sha256),
    )
  }
  return parts
}
