import { create } from '@bufbuild/protobuf'
import { type Tensors, type TensorSpec } from '../tensor.js'
import { contentShaped } from './content-shapes.js'
import { type Graph } from './graph.js'
import { ValueInfoProtoSchema } from './proto/onnx_pb.js'
import { specOf } from './types.js'
import { withOutputs } from './whole.js'

/** Of free dims, in the two runs. */
const SIZES = [1, 2] as const

/** Runs a whole model once. */
export type RunModel = (model: Uint8Array, feeds: Tensors) => Promise<Tensors>

/**
 * The types of the values that cross positions and that the file is silent about, found by running the model on a frame:
 * once, and where inputs have free dims a second time with other ones, to see which dims follow them. A dim that follows
 * that of the same axis of the inputs has its symbol; any other that may differ between frames is null.
 * @param feedsOf  a frame whose free dims all are `size`
 * @returns nothing for a value whose rank differs between the runs
 * @throws what `run` throws
 */
export async function completeSpecs(
  graph: Graph,
  run: RunModel,
  feedsOf: (size: number) => Tensors,
): Promise<ReadonlyMap<string, TensorSpec>> {
  const unknown = unknownValues(graph)
  if (unknown.length === 0) return new Map()
  const model = withOutputs(
    graph,
    unknown.map(name => create(ValueInfoProtoSchema, { name })),
  )
  const free = freeDims(graph)
  const one = await run(model, feedsOf(SIZES[0]))
  const two = free.size > 0 ? await run(model, feedsOf(SIZES[1])).catch(() => one) : one
  const varying = contentShaped(graph)
  return new Map(
    unknown.flatMap(name => {
      const [a, b] = [one[name], two[name]]
      if (a === undefined || b === undefined || a.dims.length !== b.dims.length) return []
      const dims = a.dims.map((dim, axis) =>
        varying.has(name) ? null : dimFrom(dim, b.dims[axis] ?? dim, free.get(axis)),
      )
      return [[name, { name, dtype: a.dtype, dims }] as const]
    }),
  )
}

/**
 * What a dim is that had these sizes in the two runs.
 * @param free  what the inputs have on its axis, where that is free
 */
function dimFrom(one: number, two: number, free: string | null | undefined): number | string | null {
  if (one !== two) return one === SIZES[0] && two === SIZES[1] ? (free ?? null) : null
  // A dim of 1 may be a half of 1 and of 2, rounded up.
  return one === 1 && free !== undefined ? null : one
}

/**
 * The axes on which some input has a free dim, and its symbol where all agree on one. ONNX Runtime fuses a sum only when
 * it knows that both sides have the same dims: in a part it knows that by their symbols.
 */
function freeDims({ inputs }: Graph): ReadonlyMap<number, string | null> {
  const free = new Map<number, string | null>()
  for (const { dims } of inputs) {
    for (const [axis, dim] of dims.entries()) {
      if (typeof dim === 'number') continue
      free.set(axis, !free.has(axis) || free.get(axis) === dim ? dim : null)
    }
  }
  return free
}

function unknownValues(graph: Graph): string[] {
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  const crossing = new Set(
    graph.positions.filter(({ cuttable }) => cuttable).flatMap(position => position.crossing),
  )
  return [...crossing].filter(name => {
    const info = graph.valueInfos.get(name)
    return !outputs.has(name) && (info === undefined || specOf(info) === undefined)
  })
}
