import { create } from '@bufbuild/protobuf'
import test from 'ava'
import fc from 'fast-check'
import { relativeError } from '../../../core/compare.js'
import { MillraceError } from '../../../core/errors.js'
import {
  cutGraph,
  type ExternalFile,
  graphFile,
  readGraph,
  type ReadExternal,
} from '../../../core/graph/index.js'
import {
  SparseTensorProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataLocation as Location,
} from '../../../core/graph/proto/onnx_pb.js'
import { frameFor, ROUNDING } from '../../support/chains.js'
import {
  floats,
  ints,
  type ModelParts,
  node,
  onnxBytes,
  onnxGraph,
  raw,
  value,
} from '../../support/onnx-builder.js'
import { runChain, runModel } from '../../support/onnx-runner.js'

const SHAPE = [1, 4]
const X = value('x', 'FLOAT', SHAPE)
const Y = value('y', 'FLOAT', SHAPE)

/** `tensor` with its bytes elsewhere. */
function outside(tensor: TensorProto, entries: Readonly<Record<string, string | number>>): TensorProto {
  const externalData = Object.entries(entries).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value: String(value) }),
  )
  const { name, dataType, dims } = tensor
  return Object.assign(floats(name, [0]), {
    dataType,
    dims,
    rawData: new Uint8Array(),
    externalData,
    dataLocation: Location.EXTERNAL,
  })
}

/** A file whose bytes are at hand. */
function fileOf(bytes: Uint8Array): ExternalFile {
  return { byteLength: bytes.byteLength, read: (offset, length) => bytes.subarray(offset, offset + length) }
}

function filesOf(files: Readonly<Record<string, Uint8Array>>): ReadExternal & { readonly opened: string[] } {
  const opened: string[] = []
  const read = (location: string) => {
    opened.push(location)
    const file = files[location]
    if (file === undefined) throw new Error(`ENOENT: no such file, open '${location}'`)
    return fileOf(file)
  }
  return Object.assign(read, { opened })
}

const W1 = floats('w1', [4, 4])
const W2 = floats('w2', [4, 4])
const B = floats('b', [4])

function network(initializers: readonly TensorProto[]): ModelParts {
  return {
    inputs: [X],
    outputs: [Y],
    nodes: [
      node('MatMul', ['x', 'w1'], ['m']),
      node('Tanh', ['m'], ['t']),
      node('MatMul', ['t', 'w2'], ['n']),
      node('Add', ['n', 'b'], ['y']),
    ],
    values: ['m', 't', 'n'].map(name => value(name, 'FLOAT', SHAPE)),
    initializers,
  }
}

/** Two tensors in one file, with a gap between, and one in another. */
function scattered(): { bytes: Uint8Array; read: ReturnType<typeof filesOf> } {
  const both = new Uint8Array(4096 + 64)
  both.set(W1.rawData, 0)
  both.set(W2.rawData, 4096)
  const bytes = onnxBytes(
    network([
      outside(W1, { location: 'weights.bin', offset: 0, length: 64 }),
      outside(W2, { location: 'weights.bin', offset: 4096, length: 64, checksum: 'abc' }),
      outside(B, { location: 'more/bias.bin' }),
    ]),
  )
  return { bytes, read: filesOf({ 'weights.bin': both, 'more/bias.bin': B.rawData }) }
}

test('external data - becomes part of the graph, each file read once', t => {
  const { bytes, read } = scattered()
  const graph = readGraph(bytes, { externalData: read })
  t.deepEqual(graph.externalFiles, ['weights.bin', 'more/bias.bin'])
  t.deepEqual(read.opened, ['weights.bin', 'more/bias.bin'])
  t.deepEqual(
    [...graph.initializers].map(([name, { rawData }]) => [name, Buffer.from(rawData).toString('hex')]),
    [W1, W2, B].map(({ name, rawData }) => [name, Buffer.from(rawData).toString('hex')]),
  )
})

test('external data - is in the parts that use it and in the whole file, which stand alone', async t => {
  const { bytes, read } = scattered()
  const graph = readGraph(bytes, { externalData: read })
  const inside = onnxBytes(network([W1, W2, B]))
  const feeds = frameFor(graph)
  const whole = await runModel(inside, feeds)
  t.deepEqual(await runModel(graphFile(graph), feeds), whole)
  const parts = cutGraph(graph, [2])
  t.true(relativeError(await runChain(parts, feeds), whole) <= ROUNDING)
  t.deepEqual(
    parts.map(({ model, weightBytes }) => [[...readGraph(model).initializers.keys()], weightBytes]),
    [
      [['w1'], 64],
      [['w2', 'b'], 80],
    ],
  )
  for (const { model } of parts) t.deepEqual(readGraph(model).externalFiles, [])
})

test('external data - a model without any is not asked for files', t => {
  const read = filesOf({})
  t.deepEqual(readGraph(onnxBytes(network([W1, W2, B])), { externalData: read }).externalFiles, [])
  t.deepEqual(read.opened, [])
})

test('external data - without a length takes what the dims need, as ONNX Runtime does', t => {
  const file = new Uint8Array(128)
  file.set(W1.rawData, 0)
  file.set(W2.rawData, 64)
  const bytes = onnxBytes(
    network([outside(W1, { location: 'w' }), outside(W2, { location: 'w', offset: 64 }), B]),
  )
  const { initializers } = readGraph(bytes, { externalData: filesOf({ w: file }) })
  t.deepEqual(Buffer.from(initializers.get('w1')?.rawData ?? []), Buffer.from(W1.rawData))
  t.deepEqual(Buffer.from(initializers.get('w2')?.rawData ?? []), Buffer.from(W2.rawData))
})

test('external data - is found in constants, bodies and sparse tensors too', async t => {
  const scale = floats('scale', [4])
  const shift = floats('shift', [4])
  const sparse = (values: TensorProto) =>
    create(SparseTensorProtoSchema, { values, indices: ints('', [0, 5, 10]), dims: [4n, 4n] })
  const values = floats('sparse', [3])
  const model = (change: (tensor: TensorProto) => TensorProto): ModelParts => ({
    inputs: [X],
    outputs: [Y],
    nodes: [
      node('Constant', [], ['k'], { value: change(W1) }),
      node('MatMul', ['x', 'k'], ['a']),
      node('MatMul', ['a', 'sparse'], ['b']),
      node('Constant', [], ['yes'], { value: raw('', 'BOOL', [], Uint8Array.of(1)) }),
      node('If', ['yes'], ['c'], {
        then_branch: onnxGraph({
          outputs: [value('d', 'FLOAT', SHAPE)],
          nodes: [
            node('Constant', [], ['shift'], { value: change(shift) }),
            node('Mul', ['b', 'scale'], ['e']),
            node('Add', ['e', 'shift'], ['d']),
          ],
          initializers: [change(scale)],
        }),
        else_branch: onnxGraph({ outputs: [value('f')], nodes: [node('Neg', ['b'], ['f'])] }),
      }),
      node('Relu', ['c'], ['y']),
    ],
    values: ['a', 'b', 'c'].map(name => value(name, 'FLOAT', SHAPE)),
    sparse: [sparse(change(values))],
  })
  const files: Record<string, Uint8Array> = {}
  const moved = model(tensor => {
    files[`${tensor.name}.bin`] = tensor.rawData
    return outside(tensor, { location: `${tensor.name}.bin` })
  })
  const graph = readGraph(onnxBytes(moved), { externalData: filesOf(files) })
  t.deepEqual(graph.externalFiles.toSorted(), Object.keys(files).toSorted())
  const feeds = frameFor(graph)
  const whole = await runModel(onnxBytes(model(tensor => tensor)), feeds)
  t.true(relativeError(await runChain(cutGraph(graph, [1, 2, 3]), feeds), whole) <= ROUNDING)
})

/** A file of zeros that is nowhere; how much of it was read at most at once, and in all. */
function vast(byteLength: number): ExternalFile & { readonly reads: number[] } {
  const reads: number[] = []
  const read = (_offset: number, length: number) => {
    reads.push(length)
    return new Uint8Array(length)
  }
  return { byteLength, read, reads }
}

/** Three layers whose weights, in one file, are of so many bytes each; the third is small. */
function deep(layerBytes: number): Uint8Array {
  const rows = layerBytes / 4
  const large = (name: string, dims: readonly number[], layer: number) =>
    outside(Object.assign(floats(name, [0]), { dims: dims.map(BigInt) }), {
      ...{ location: 'weights.bin', offset: layer * layerBytes, length: layerBytes },
    })
  return onnxBytes({
    inputs: [value('x', 'FLOAT', [1, 1])],
    outputs: [value('y', 'FLOAT', [1, 4])],
    nodes: [
      node('MatMul', ['x', 'wide'], ['a']),
      node('MatMul', ['a', 'narrow'], ['b']),
      node('MatMul', ['b', 'last'], ['y']),
    ],
    values: [value('a', 'FLOAT', [1, rows]), value('b', 'FLOAT', [1, 1])],
    initializers: [large('wide', [1, rows], 0), large('narrow', [rows, 1], 1), floats('last', [1, 4])],
  })
}

test('external data - a model above 2 GiB is read and cut without reading its weights, as long as no part is', t => {
  const layer = 1.5 * 2 ** 30
  const file = vast(2 * layer)
  const graph = readGraph(deep(layer), { name: 'deep.onnx', externalData: () => file })
  const parts = cutGraph(graph, [1, 2])
  t.deepEqual(
    parts.map(({ weightBytes }) => weightBytes),
    [layer, layer, 16],
  )
  t.deepEqual(file.reads, [])
  t.deepEqual([...readGraph(parts[2]?.model ?? new Uint8Array()).initializers.keys()], ['last'])
  for (const cuts of [[], [2]]) {
    const error = t.throws(() => cutGraph(graph, cuts), { instanceOf: MillraceError })
    t.is(error.code, 'MODEL_UNSUPPORTED')
    t.regex(error.message, /part 0 of deep\.onnx would be a file of 322\d+ bytes.*more partitions/)
  }
  t.throws(() => graphFile(graph), { code: 'MODEL_UNSUPPORTED' })
  t.deepEqual(file.reads, [])
})

test('external data - large weights are read in pieces when a part with them is written', t => {
  const layer = 40 * 2 ** 20
  const file = vast(2 * layer)
  const [first] = cutGraph(readGraph(deep(layer), { externalData: () => file }), [1, 2])
  t.deepEqual(file.reads, [])
  const model = first?.model ?? new Uint8Array()
  t.is(
    file.reads.reduce((sum, length) => sum + length, 0),
    layer,
  )
  t.true(Math.max(...file.reads) <= layer / 2)
  const stored = readGraph(model).initializers.get('wide')
  t.deepEqual([stored?.rawData.byteLength, stored?.dims], [layer, [1n, BigInt(layer / 4)]])
})

function refusal(entries: Readonly<Record<string, string | number>>, read?: ReadExternal): MillraceError {
  const bytes = onnxBytes(network([outside(W1, entries), W2, B]))
  const options = read === undefined ? {} : { externalData: read }
  try {
    readGraph(bytes, { name: 'net.onnx', ...options })
  } catch (error) {
    if (error instanceof MillraceError) return error
    throw error
  }
  throw new Error(`${JSON.stringify(entries)} was taken`)
}

const OUTSIDE = [
  '../../etc/passwd',
  '/etc/passwd',
  'weights/../../secret',
  '..',
  '.',
  '',
  'C:\\secrets',
  'c:secrets',
  '..\\secret',
  '\\\\server\\share',
  'a\\..\\..\\b',
  './../b',
  'weights/',
  'nul\u0000.bin',
  '*/_ORT_MEM_ADDR_/*',
]

for (const location of OUTSIDE) {
  test(`external data - the location ${JSON.stringify(location)} is refused before anything is read`, t => {
    const opened: string[] = []
    const error = refusal({ location }, name => {
      opened.push(name)
      return fileOf(W1.rawData)
    })
    t.is(error.code, 'MODEL_DATA_MISSING')
    t.true(error.message.includes('net.onnx') && error.message.includes("'w1'"))
    t.true(error.message.includes(location))
    t.deepEqual(opened, [])
  })
}

test('external data - a location below the folder of the model is taken', t => {
  for (const location of ['w', 'a/b/c.bin', './w', 'with space..bin', '..w', 'w..', 'a//b']) {
    const bytes = onnxBytes(network([outside(W1, { location }), W2, B]))
    t.deepEqual(readGraph(bytes, { externalData: () => fileOf(W1.rawData) }).externalFiles, [location])
  }
})

test('external data - what cannot be read is named, with its file', t => {
  const missing = refusal({ location: 'lost.bin' }, filesOf({}))
  t.is(missing.code, 'MODEL_DATA_MISSING')
  t.regex(missing.message, /net\.onnx.*'w1'.*lost\.bin/)
  t.truthy(missing.cause)
  const noWay = refusal({ location: 'weights.bin' })
  t.is(noWay.code, 'MODEL_DATA_MISSING')
  t.regex(noWay.message, /net\.onnx.*'w1'.*weights\.bin/)
  t.regex(refusal({}, filesOf({})).message, /net\.onnx.*'w1'/)
})

test('external data - a file that is too short, or a place that is none, is refused', t => {
  const read = filesOf({ w: new Uint8Array(64) })
  const places = [
    { offset: 4, length: 64 },
    { offset: 65 },
    { offset: 1 },
    { length: 65 },
    { offset: -1, length: 4 },
    { offset: 0, length: -4 },
    { offset: 'much' },
    { offset: 0, length: 'all' },
    { offset: 0.5, length: 4 },
    { offset: '1e99' },
    { offset: '18446744073709551615' },
    { offset: 0, length: 'Infinity' },
  ]
  for (const place of places) {
    const error = refusal({ location: 'w', ...place }, read)
    t.is(error.code, 'MODEL_DATA_MISSING', JSON.stringify(place))
    t.regex(error.message, /net\.onnx.*'w1'/)
  }
})

test('external data - any location, offset and length are taken or refused with a code', t => {
  const entry = fc.oneof(fc.string(), fc.integer().map(String), fc.nat(70).map(String))
  fc.assert(
    fc.property(fc.string(), entry, entry, (location, offset, length) => {
      const bytes = onnxBytes(network([outside(W1, { location, offset, length }), W2, B]))
      try {
        const { initializers } = readGraph(bytes, { externalData: () => fileOf(new Uint8Array(64)) })
        t.is(initializers.get('w1')?.rawData.byteLength, Number(length))
      } catch (error) {
        t.true(error instanceof MillraceError && error.code === 'MODEL_DATA_MISSING', String(error))
      }
    }),
    { numRuns: 500 },
  )
})
