import { type TensorSpec } from '../tensor.js'
import { type LateData } from './assemble.js'
import {
  type ModelProto,
  type NodeProto,
  type SparseTensorProto,
  type TensorProto,
  type ValueInfoProto,
} from './proto/onnx_pb.js'

/** An operator of the main graph. */
export interface GraphNode {
  readonly opType: string
  /** `''` is ONNX's own. */
  readonly domain: string
  /** Its name in the file, or its operator and place in it where it has none. */
  readonly name: string
  /** Values that it reads, those that its sub-graphs read from outside included; each once, in order. */
  readonly reads: readonly string[]
  /** Values that it gives. */
  readonly gives: readonly string[]
  /** As the file has it; not to be changed. */
  readonly proto: NodeProto
}

/** Between two nodes: what would have to travel if the graph were cut here. */
export interface Position {
  /** Nodes before it: in (0, graph.nodes.length). */
  readonly index: number
  /** Values that exist before it and are needed after it, in the order in which they come into being. */
  readonly crossing: readonly string[]
  /** False where something crosses that onnxruntime-node cannot carry; `reason` says what. */
  readonly cuttable: boolean
  readonly reason?: string
  /** True where a cut would keep ONNX Runtime from fusing operators, which costs time on both sides. */
  readonly breaksFusion: boolean
}

/**
 * An ONNX model as a list of operators in topological order. What comes from constants alone is not among them: it
 * never travels, and is copied to wherever it is used.
 */
export interface Graph {
  /** Names the model in messages. */
  readonly title: string
  /** What a caller gives; initializers are not among them. A dim that is free at run time is its symbol, or null. */
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  readonly nodes: readonly GraphNode[]
  /** One between each two nodes. */
  readonly positions: readonly Position[]
  /** Nodes whose values are constant, by each value that they give. */
  readonly constantNodes: ReadonlyMap<string, GraphNode>
  readonly initializers: ReadonlyMap<string, TensorProto>
  readonly sparseInitializers: ReadonlyMap<string, SparseTensorProto>
  /** What the file says of the types of values: inputs, outputs and those between. */
  readonly valueInfos: ReadonlyMap<string, ValueInfoProto>
  /** As the file has it; not to be changed. */
  readonly model: ModelProto
  /** The files that it keeps weights in, by their locations relative to it. */
  readonly externalFiles: readonly string[]
  /** Initializers whose data is still there, to be read when it is written; small ones are in `model`. */
  readonly outside: LateData
}
