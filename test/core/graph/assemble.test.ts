import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import test from 'ava'
import fc from 'fast-check'
import { MillraceError } from '../../../core/errors.js'
import { assemble, assemblePieces } from '../../../core/graph/assemble.js'
import { changed } from '../../../core/graph/message.js'
import { GraphProtoSchema, ModelProtoSchema, TensorProtoSchema } from '../../../core/graph/proto/onnx_pb.js'
import { randomWeights } from '../../../core/synthetic/index.js'
import { floats, ints, node, onnxBytes, onnxModel, raw, value } from '../../support/onnx-builder.js'

const PARTS = {
  inputs: [value('x', 'FLOAT', [1, 4])],
  outputs: [value('y', 'FLOAT', [1, 4])],
  nodes: [node('MatMul', ['x', 'w'], ['y'])],
}

test('writing a file - gives what protobuf reads as the same model, whatever the sizes of its weights', t => {
  const sizes = fc.array(fc.oneof(fc.nat(300), fc.constantFrom(0, 127, 128, 16_383, 16_384)), {
    maxLength: 5,
  })
  fc.assert(
    fc.property(sizes, sizes => {
      const initializers = sizes.map((size, i) => raw(`w${i}`, 'UINT8', [size], new Uint8Array(size).fill(i)))
      const model = onnxModel({ ...PARTS, initializers: [...initializers, ints('typed', [1])] })
      const graph = model.graph ?? create(GraphProtoSchema)
      const late = raw('late', 'UINT8', [200], new Uint8Array())
      const [first, second] = [new Uint8Array(150).fill(9), new Uint8Array(50).fill(8)]
      const data = { byteLength: 200, pieces: () => [first, second] }
      const withLate = changed(graph, { initializer: [...graph.initializer, late] })
      const file = assemble(model, withLate, new Map([[late, data]]))
      t.deepEqual(
        Buffer.concat([...assemblePieces(model, withLate, new Map([[late, data]]))]),
        Buffer.from(file),
      )
      const read = fromBinary(ModelProtoSchema, file)
      const last = read.graph?.initializer.pop()
      t.deepEqual([last?.name, last?.rawData], ['late', Uint8Array.of(...first, ...second)])
      t.deepEqual(read, fromBinary(ModelProtoSchema, toBinary(ModelProtoSchema, model)))
    }),
    { numRuns: 50 },
  )
})

test('writing a file - above 2 GiB is refused before anything of that size is made', t => {
  const model = onnxModel(PARTS)
  const data = {
    byteLength: 2 ** 31,
    pieces: () => {
      throw new Error('made')
    },
  }
  const tensor = create(TensorProtoSchema, { name: 'w' })
  const graph = create(GraphProtoSchema, { name: 'graph', initializer: [tensor] })
  const error = t.throws(() => assemble(model, graph, new Map([[tensor, data]])), {
    instanceOf: MillraceError,
  })
  t.is(error.code, 'MODEL_UNSUPPORTED')
  t.regex(error.message, /'graph' would be a file of 2147483\d+ bytes/)
})

test('writing a file - random weights leave what is not known in it', t => {
  const initializers = [floats('w', [4, 4], new Array<number>(16).fill(1))]
  const unknown = new BinaryWriter().tag(1000, WireType.LengthDelimited).string('of a later version').finish()
  const file = Buffer.concat([onnxBytes({ ...PARTS, initializers }), unknown])
  const random = Buffer.from(randomWeights(file, 1))
  t.notDeepEqual(random, file)
  t.true(random.includes(Buffer.from(unknown)))
})
