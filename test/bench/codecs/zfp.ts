import { decodeZfpStream, encodeZfp, foldedDims, type ZfpMode } from '../../../core/codec/zfp/index.js'
import { type Tensor, type Tensors } from '../../../core/tensor.js'

/** What becomes of tensors on their way, and back. */
export interface Form {
  readonly name: string
  readonly encode: (tensors: Tensors) => Promise<Tensors>
  readonly decode: (tensors: Tensors) => Promise<Tensors>
}

/** Parts of a tensor's largest magnitude that its values may be off by. */
const TOLERANCES = ['1e-2', '1e-3', '1e-4']

/** float32 tensors as ZFP streams with their headers: three tolerances of fixed accuracy, and reversible. */
export function zfpForms(messages: readonly Tensors[]): Form[] {
  const dims = new Map(
    messages.flatMap(one => Object.entries(one)).map(([name, { dims }]) => [name, dims] as const),
  )
  const form = (name: string, modeOf: (values: Float32Array) => ZfpMode): Form => ({
    name: `zfp ${name}`,
    encode: async tensors => mapTensors(tensors, (_, value) => packed(value, modeOf)),
    decode: async tensors => mapTensors(tensors, (name, value) => unpacked(value, dims.get(name) ?? [])),
  })
  return [
    ...TOLERANCES.map(part =>
      form(part, values => ({ kind: 'accuracy', tolerance: Number(part) * (largest(values) || 1) })),
    ),
    form('reversible', () => ({ kind: 'reversible' })),
  ]
}

function mapTensors(tensors: Tensors, map: (name: string, value: Tensor) => Tensor): Tensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, value]) => [name, map(name, value)]))
}

function packed({ dims, data }: Tensor, modeOf: (values: Float32Array) => ZfpMode): Tensor {
  if (!(data instanceof Float32Array)) throw new TypeError('only float32 becomes ZFP')
  const stream = encodeZfp(data, foldedDims(dims), modeOf(data), { header: true })
  return { dtype: 'uint8', dims: [stream.byteLength], data: stream }
}

function unpacked({ data }: Tensor, dims: readonly number[]): Tensor {
  if (!(data instanceof Uint8Array)) throw new TypeError('a ZFP stream is bytes')
  return { dtype: 'float32', dims, data: decodeZfpStream(data).values }
}

function largest(values: Float32Array): number {
  let most = 0
  for (const value of values) most = Math.max(most, Math.abs(value))
  return most
}
