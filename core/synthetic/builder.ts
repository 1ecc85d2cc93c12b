import { create } from '@bufbuild/protobuf'
import {
  type AttributeProto,
  AttributeProto_AttributeType as Kind,
  AttributeProtoSchema,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
} from '../graph/proto/onnx_pb.js'
import { elemTypeOf, infoOf } from '../graph/types.js'
import { type Filled, modelPieces, writeModel } from './write-model.js'

/** The version of the format that goes with opset 17. */
const IR_VERSION = 8n

/** Whole numbers become INT and INTS; what must be FLOAT is given as `{ float }`. */
export type Attributes = Readonly<
  Record<string, number | string | readonly number[] | { readonly float: number }>
>

/** Writes an ONNX model node by node; every method that makes a tensor returns its name. */
export class ModelBuilder {
  readonly #graph
  readonly #weights = new Map<string, Filled>()
  readonly #names = new Map<string, number>()

  /** @param opset  version of the default operator set */
  constructor(
    name: string,
    readonly opset = 17,
  ) {
    this.#graph = create(GraphProtoSchema, { name })
  }

  /** A float32 input of the model; a free dim is given by its symbol. */
  input(name: string, dims: readonly (number | string)[]): string {
    this.#graph.input.push(infoOf({ name, dtype: 'float32', dims }))
    return name
  }

  /** Makes a float32 tensor an output of the model. */
  output(name: string, dims: readonly (number | string)[]): void {
    this.#graph.output.push(infoOf({ name, dtype: 'float32', dims }))
  }

  /** A float32 initializer; the last one of a name counts. `values` runs when the model is built. */
  weight(name: string, dims: readonly number[], values: () => Float32Array): string {
    return this.largeWeight(name, dims, () => [values()])
  }

  /** The same with values in pieces, for one that is better not held as a whole. */
  largeWeight(name: string, dims: readonly number[], pieces: () => Iterable<Float32Array>): string {
    this.#weights.set(name, { name, dims, pieces })
    return name
  }

  /** An int64 initializer of one dim, as shapes and axes are. */
  integers(name: string, values: readonly number[]): string {
    return this.#int64(name, [values.length], values)
  }

  /** An int64 initializer without dims, as an index is that takes an axis away. */
  integer(name: string, value: number): string {
    return this.#int64(name, [], [value])
  }

  /** Adds a node with one output, named after the operator unless `name` is given. */
  node(opType: string, input: readonly string[], attributes: Attributes = {}, name = opType): string {
    const output = this.#unique(name)
    const attribute = Object.entries(attributes).map(([key, value]) => attributeOf(key, value))
    this.#graph.node.push(
      create(NodeProtoSchema, { name: output, opType, input: [...input], output: [output], attribute }),
    )
    return output
  }

  /** @throws MODEL_UNSUPPORTED: the file would be larger than 2 GiB */
  build(): Uint8Array {
    return writeModel(this.#model(), [...this.#weights.values()])
  }

  /**
   * The same file piece by piece, for one that is better not held as a whole.
   * @throws MODEL_UNSUPPORTED: the file would be larger than 2 GiB
   */
  pieces(): Iterable<Uint8Array> {
    return modelPieces(this.#model(), [...this.#weights.values()])
  }

  #model(): ModelProto {
    return create(ModelProtoSchema, {
      irVersion: IR_VERSION,
      producerName: 'millrace',
      graph: this.#graph,
      opsetImport: [{ domain: '', version: BigInt(this.opset) }],
    })
  }

  #int64(name: string, dims: readonly number[], values: readonly number[]): string {
    const unique = this.#unique(name)
    const int64Data = values.map(BigInt)
    this.#graph.initializer.push(
      create(TensorProtoSchema, {
        name: unique,
        dims: dims.map(BigInt),
        dataType: elemTypeOf('int64'),
        int64Data,
      }),
    )
    return unique
  }

  #unique(name: string): string {
    const count = this.#names.get(name) ?? 0
    this.#names.set(name, count + 1)
    return count === 0 ? name : `${name}_${count}`
  }
}

function attributeOf(name: string, value: Attributes[string]): AttributeProto {
  if (typeof value === 'number')
    return create(AttributeProtoSchema, { name, type: Kind.INT, i: BigInt(value) })
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, { name, type: Kind.STRING, s: new TextEncoder().encode(value) })
  }
  if ('float' in value) return create(AttributeProtoSchema, { name, type: Kind.FLOAT, f: value.float })
  return create(AttributeProtoSchema, { name, type: Kind.INTS, ints: value.map(BigInt) })
}
