import { create, fromBinary, type Message, toBinary } from '@bufbuild/protobuf'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import test from 'ava'
import { cutGraph, graphFile, readGraph } from '../../../core/graph/index.js'
import {
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  StringStringEntryProtoSchema,
  TensorAnnotationSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from '../../../core/graph/proto/onnx_pb.js'
import { withOutputs } from '../../../core/graph/whole.js'
import { relativeError } from '../../../core/compare.js'
import { frameFor } from '../../support/chains.js'
import { floats, node, onnxBytes, onnxModel, value } from '../../support/onnx-builder.js'
import { runChain, runModel } from '../../support/onnx-runner.js'

const SHAPE = [1, 4]

/** Fields that no version of ONNX has, one of each wire type; `mark` tells them apart. */
function unknownFields(mark: string): Uint8Array {
  const writer = new BinaryWriter()
  writer.tag(1000, WireType.LengthDelimited).string(`${mark}: a text`)
  writer.tag(1001, WireType.Varint).uint64(2n ** 60n)
  writer.tag(1002, WireType.Bit32).fixed32(7)
  writer.tag(1003, WireType.Bit64).fixed64(9n)
  // The same again, and a number that is written longer than it must be.
  writer.tag(1000, WireType.LengthDelimited).string(`${mark}: another`)
  writer.raw(Uint8Array.of(0xc8, 0x3e, 0x81, 0x80, 0x00))
  return writer.finish()
}

type Fields = readonly (readonly [number, Uint8Array])[]

/** A message that holds others, as it is on the wire: `known` first, then messages by field number, then unknown ones. */
function wire(known: Uint8Array, fields: Fields, mark: string): Uint8Array {
  const writer = new BinaryWriter().raw(known)
  for (const [number, bytes] of fields) writer.tag(number, WireType.LengthDelimited).bytes(bytes)
  return writer.raw(unknownFields(mark)).finish()
}

function nodeBytes(operator: string, input: readonly string[], output: string): Uint8Array {
  const attribute = wire(
    toBinary(AttributeProtoSchema, create(AttributeProtoSchema, { name: 'axis', type: 2, i: 1n })),
    [],
    `attribute of ${output}`,
  )
  const known = toBinary(NodeProtoSchema, node(operator, input, [output]))
  return wire(known, operator === 'Softmax' ? [[5, attribute]] : [], `node ${output}`)
}

const MARKS = ['model', 'node a', 'node y', 'attribute of a', 'initializer', 'graph', 'opset', 'input']

/** A model that a later version of ONNX wrote: x → Softmax → a → Add w → y. */
function laterModel(): Uint8Array {
  const info = (name: string) => toBinary(ValueInfoProtoSchema, value(name, 'FLOAT', SHAPE))
  const weights = toBinary(TensorProtoSchema, floats('w', [4]))
  const graph = wire(
    toBinary(GraphProtoSchema, create(GraphProtoSchema, { name: 'later' })),
    [
      [1, nodeBytes('Softmax', ['x'], 'a')],
      [1, nodeBytes('Add', ['a', 'w'], 'y')],
      [5, wire(weights, [], 'initializer')],
      [11, wire(info('x'), [], 'input')],
      [12, info('y')],
      [13, info('a')],
    ],
    'graph',
  )
  const model = toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 8n }))
  const opset = new BinaryWriter().tag(2, WireType.Varint).int64(17).raw(unknownFields('opset')).finish()
  return wire(
    model,
    [
      [7, graph],
      [8, opset],
    ],
    'model',
  )
}

function marksIn(file: Uint8Array): string[] {
  return MARKS.filter(mark => Buffer.from(file).includes(Buffer.from(unknownFields(mark))))
}

test('fields that are not known - survive in the file of the whole graph, byte for byte', t => {
  const file = laterModel()
  t.deepEqual(marksIn(file), MARKS)
  const graph = readGraph(file)
  t.deepEqual(marksIn(graphFile(graph)), MARKS)
  t.deepEqual(marksIn(withOutputs(graph, [value('a')])), MARKS)
  t.deepEqual(fromBinary(ModelProtoSchema, graphFile(graph)), fromBinary(ModelProtoSchema, file))
})

test('fields that are not known - stand in the message where they stood, in each part', t => {
  const parts = cutGraph(readGraph(laterModel()), [1]).map(({ model }) => fromBinary(ModelProtoSchema, model))
  for (const part of parts) {
    t.deepEqual(marksOf(part), 'model')
    t.deepEqual(marksOf(part.graph), 'graph')
    t.deepEqual(marksOf(part.opsetImport[0]), 'opset')
  }
  const [first, second] = parts
  t.is(marksOf(first?.graph?.node[0]), 'node a')
  t.is(marksOf(first?.graph?.node[0]?.attribute[0]), 'attribute of a')
  t.is(marksOf(first?.graph?.input[0]), 'input')
  t.is(marksOf(second?.graph?.node[0]), 'node y')
  t.is(marksOf(second?.graph?.initializer[0]), 'initializer')
})

test('fields that are not known - go where they belong, and nowhere else', t => {
  const [first, second] = cutGraph(readGraph(laterModel()), [1]).map(({ model }) => marksIn(model))
  t.deepEqual(first, ['model', 'node a', 'attribute of a', 'graph', 'opset', 'input'])
  t.deepEqual(second, ['model', 'node y', 'initializer', 'graph', 'opset'])
})

test('fields that are not known - disturb neither ONNX Runtime nor the result', async t => {
  const graph = readGraph(laterModel())
  const feeds = frameFor(graph)
  const whole = await runModel(laterModel(), feeds)
  t.true(relativeError(await runChain(cutGraph(graph, [1]), feeds), whole) <= 1e-6)
})

function entry(key: string, value: string) {
  return create(StringStringEntryProtoSchema, { key, value })
}

/** The mark of a message's unknown fields, if they are all there in order. */
function marksOf(message: Message | undefined): string | undefined {
  const writer = new BinaryWriter()
  for (const { no, wireType, data } of message?.$unknown ?? []) writer.tag(no, wireType).raw(data)
  const bytes = writer.finish()
  return MARKS.find(mark => Buffer.from(unknownFields(mark)).equals(bytes))
}

test('what a file says of itself - producer, version, domain and metadata are in every part', t => {
  const model = onnxModel({
    inputs: [value('x', 'FLOAT', SHAPE)],
    outputs: [value('y', 'FLOAT', SHAPE)],
    nodes: [node('Relu', ['x'], ['a']), node('Tanh', ['a'], ['y'])],
    values: [value('a', 'FLOAT', SHAPE)],
    irVersion: 9,
  })
  const properties = { author: 'someone', labels: '{"0": "cat"}' }
  const metadataProps = Object.entries(properties).map(([key, value]) => entry(key, value))
  const said = { producerName: 'exporter', producerVersion: '2.1', domain: 'org.example', modelVersion: 5n }
  const full = Object.assign(model, said, { metadataProps })
  const parts = cutGraph(readGraph(onnxBytes(full)), [1])
  for (const { model } of parts) {
    const part = readGraph(model).model
    t.like(part, { ...said, irVersion: 9n })
    t.deepEqual(part.metadataProps, metadataProps)
  }
})

test('what a file says of itself - quantisation annotations go with their tensors, and take their parameters along', t => {
  const model = onnxModel({
    inputs: [value('x', 'FLOAT', SHAPE)],
    outputs: [value('y', 'FLOAT', SHAPE)],
    nodes: [node('Relu', ['x'], ['a']), node('Add', ['a', 'w'], ['b']), node('Tanh', ['b'], ['y'])],
    values: [value('a', 'FLOAT', SHAPE), value('b', 'FLOAT', SHAPE)],
    initializers: [
      floats('w', [4]),
      floats('scale of a', []),
      floats('scale of w', []),
      floats('scale of y', []),
    ],
  })
  model.graph?.quantizationAnnotation.push(
    ...['a', 'w', 'y'].map(tensorName =>
      create(TensorAnnotationSchema, {
        tensorName,
        quantParameterTensorNames: [entry('SCALE_TENSOR', `scale of ${tensorName}`)],
      }),
    ),
  )
  const parts = cutGraph(readGraph(onnxBytes(model)), [1, 2])
  t.deepEqual(
    parts.map(({ model }) => {
      const { initializers, model: read } = readGraph(model)
      const annotated = read.graph?.quantizationAnnotation.map(({ tensorName }) => tensorName)
      return [annotated, [...initializers.keys()]]
    }),
    [
      [['a'], ['scale of a']],
      [
        ['a', 'w'],
        ['w', 'scale of a', 'scale of w'],
      ],
      [['y'], ['scale of y']],
    ],
  )
})

test('what a file says of values - stays with the parts that have them', t => {
  const parts = cutGraph(
    readGraph(
      onnxBytes({
        inputs: [value('x', 'FLOAT', SHAPE)],
        outputs: [value('y', 'FLOAT', SHAPE)],
        nodes: [node('Relu', ['x'], ['a']), node('Tanh', ['a'], ['b']), node('Relu', ['b'], ['y'])],
        values: [value('a', 'FLOAT', SHAPE), value('b', 'FLOAT', SHAPE)],
      }),
    ),
    [2],
  )
  t.deepEqual(
    parts.map(({ model }) => readGraph(model).model.graph?.valueInfo.map(({ name }) => name)),
    [['a'], []],
  )
})
