import type { ExecutionContext } from 'ava'
import { relativeError } from '../../core/compare.js'
import { completeSpecs, cutGraph, type Graph, type Partition, readGraph } from '../../core/graph/index.js'
import { syntheticFrame } from '../../core/synthetic/index.js'
import { type Tensors } from '../../core/tensor.js'
import { type Wire } from '../../core/wire.js'
import { type ModelParts, onnxBytes } from './onnx-builder.js'
import { runChain, runModel } from './onnx-runner.js'

/** The same operators in parts may be computed in another order. */
export const ROUNDING = 1e-6

export interface Opened {
  readonly graph: Graph
  readonly cut: (cuts: readonly number[], wire?: Wire) => Partition[]
}

/** Reads a model, and finds the types that it is silent about. */
export async function openGraph(model: Uint8Array | ModelParts): Promise<Opened> {
  const graph = readGraph(model instanceof Uint8Array ? model : onnxBytes(model))
  const specs = await completeSpecs(graph, runModel, size => frameFor(graph, size))
  return { graph, cut: (cuts, wire) => cutGraph(graph, cuts, specs, wire) }
}

/** A frame with free dims of one size. */
export function frameFor(graph: Graph, size = 1, index = 0): Tensors {
  const specs = graph.inputs.map(spec => ({
    ...spec,
    dims: spec.dims.map(dim => (typeof dim === 'number' ? dim : size)),
  }))
  return syntheticFrame(specs, 1, index)
}

/**
 * Cuts at each position alone and at all of them, and compares each chain with the whole.
 * @returns the partitions of the last
 */
export async function chainsEqualWhole(
  t: ExecutionContext,
  parts: ModelParts,
  batches: readonly number[] = [1],
): Promise<Partition[]> {
  const model = onnxBytes(parts)
  const { graph, cut } = await openGraph(model)
  const cuttable = graph.positions.filter(position => position.cuttable).map(({ index }) => index)
  t.true(cuttable.length > 0, 'the model has a position')
  for (const batch of batches) {
    const feeds = frameFor(graph, batch)
    const whole = await runModel(model, feeds)
    for (const cuts of [...cuttable.map(index => [index]), cuttable]) {
      const chain = await runChain(cut(cuts), feeds)
      t.true(relativeError(chain, whole) <= ROUNDING, `cut at ${cuts.join(', ')}, batch ${batch}`)
    }
  }
  return cut(cuttable)
}

/** What crosses each position. */
export function crossings({ positions }: Graph): (readonly string[])[] {
  return positions.map(({ crossing }) => crossing)
}

export function namesOf(values: readonly { readonly name: string }[]): string[] {
  return values.map(({ name }) => name)
}
