import { readFile } from 'node:fs/promises'
import { unpackFrames } from '../../../core/calibration.js'
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
import { type Tensors } from '../../../core/tensor.js'
import { coarsestOf, type Wire } from '../../../core/wire.js'
import { externalFile, type PartStore } from '../../model-store/index.js'
import { sampleFrame } from '../../profiler/index.js'
import { type CutModel, type CutOrder, type CutPart } from './messages.js'
import { type ChainRun, runChain } from './run-chain.js'
import { settleWires } from './settle-wires.js'
import { openWhole, type WholeModel } from './whole-model.js'

/** Where wires are chosen by their error: one frame may be a lucky one. */
const SAMPLES = 8

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
  model: { readonly bytes: Uint8Array; readonly run: WholeModel['run'] },
  order: CutOrder,
  store: PartStore,
  checkpoint: () => Promise<void>,
): Promise<CutModel> {
  const { wires: asked = [], wireError } = order
  const frames = await framesFor(order, graph)
  const whole = await model.run(model.bytes, frames)
  await checkpoint()
  const runOnce: RunModel = async (bytes, feeds) => (await model.run(bytes, [feeds]))[0] ?? {}
  const specs = await completeSpecs(graph, runOnce, size => sampleFrame(graph.inputs, size))
  await checkpoint()
  const chainOn = async (wires: readonly Wire[]) => {
    const partitions = cutGraph(graph, order.cuts, specs, wires)
    const chain = await runChain(partitions, frames, checkpoint)
    const errors = chain.outputs.map((outputs, i) =>
      pipelineError(outputs, whole[i] ?? {}, coarsestOf(wires)),
    )
    return { partitions, chain, error: Math.max(...errors) }
  }
  const wires =
    wireError === undefined
      ? asked.map(({ wire }) => wire)
      : await settleWires(asked, wireError, async wires => errorOf(chainOn(wires)))
  const { partitions, chain, error: sampleError } = await chainOn(wires)
  const wire = coarsestOf(wires)
  if (!(sampleError <= TOLERANCES[wire])) {
    const advice = wire === 'f32' ? '' : `; with wire ${wire}, that is more than ${TOLERANCES[wire]}: try f32`
    throw new MillraceError(
      'VERIFY_FAILED',
      `${order.name} in ${partitions.length} parts differs from the whole by ${sampleError} on ${frames.length === 1 ? 'a frame' : `${frames.length} frames`}${advice}`,
    )
  }
  const parts = await storeParts(partitions, chain, store)
  return { inputs: graph.inputs, outputs: graph.outputs, parts, wires, sampleError }
}

async function framesFor({ frames, wireError }: CutOrder, { inputs }: Graph): Promise<Tensors[]> {
  if (frames !== undefined) return unpackFrames(await readFile(frames))
  const count = wireError === undefined ? 1 : SAMPLES
  return Array.from({ length: count }, (_, index) => sampleFrame(inputs, 1, index))
}

/** Infinity where a wire cannot carry what crosses. */
async function errorOf(chain: Promise<{ readonly error: number }>): Promise<number> {
  try {
    return (await chain).error
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'WIRE_OVERFLOW') return Infinity
    throw error
  }
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
