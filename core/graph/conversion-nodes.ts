import { CHANNEL_AXIS } from '../wire.js'
import { type GraphNode } from './graph.js'
import { operator } from './operator.js'
import { TensorProto_DataType as DataType } from './proto/onnx_pb.js'
import { type Form, type INNER } from './wire.js'

/** What the operators of a conversion are made for. */
export interface ConversionEnd {
  /** Of the tensor. */
  readonly rank: number
  /** Of the model that they are for: some operators take their axes another way in new ones. */
  readonly opset: number
}

type Inner = (typeof INNER)[number]

/** From here on, operators that reduce take their axes as an input. */
const AXES_ARE_INPUT = 18
const LEVELS = 255
/** The smallest float32 that is normal. */
const LEAST_STEP = 2 ** -126

/**
 * The operators that make what crosses. Quantising erases NaN: where there is one in the tensor, its scales are NaN; where
 * there is an Inf, one of them is none of a number either. A float16 keeps both, and is Inf for what is too large.
 */
export function encodingNodes(form: Form, end: ConversionEnd): GraphNode[] {
  const { value, wire, tensors } = form
  const [coded = '', scale = '', zero = ''] = tensors
  const inner = (name: Inner) => `${coded}${name}`
  if (wire === 'f16') return [operator('Cast', [value], [coded], { to: DataType.FLOAT16 })]
  return [
    ...(wire === 'u8c'
      ? channelNodes(form, end)
      : [operator('DynamicQuantizeLinear', [value], [coded, inner('.step'), zero])]),
    // A sum of magnitudes is NaN where a term is, and nowhere else: Inf never meets its negative.
    operator('ReduceL1', [value], [inner('.sum')], { keepdims: 0 }),
    operator('IsNaN', [inner('.sum')], [inner('.nan')]),
    operator('Where', [inner('.nan'), inner('.sum'), inner('.step')], [scale]),
  ]
}

/** What `DynamicQuantizeLinear` does, channel by channel: 0 is in the range of each, and stays 0. */
function channelNodes({ value, tensors }: Form, { rank, opset }: ConversionEnd): GraphNode[] {
  const [coded = '', , zero = ''] = tensors
  const inner = (name: Inner) => `${coded}${name}`
  const axes = Array.from({ length: rank }, (_, axis) => axis).filter(axis => axis !== CHANNEL_AXIS)
  const listed = opset >= AXES_ARE_INPUT
  const reduced = (opType: string, to: Inner) =>
    listed
      ? operator(opType, [value, inner('.axes')], [inner(to)], { keepdims: 0 })
      : operator(opType, [value], [inner(to)], { axes, keepdims: 0 })
  return [
    ...(listed ? [operator('Constant', [], [inner('.axes')], { value_ints: axes })] : []),
    reduced('ReduceMin', '.lowest'),
    reduced('ReduceMax', '.highest'),
    operator('Neg', [inner('.lowest')], [inner('.negated')]),
    operator('Relu', [inner('.negated')], [inner('.depth')]),
    operator('Relu', [inner('.highest')], [inner('.height')]),
    operator('Add', [inner('.depth'), inner('.height')], [inner('.range')]),
    operator('Constant', [], [inner('.levels')], { value_float: { float: LEVELS } }),
    operator('Div', [inner('.range'), inner('.levels')], [inner('.ratio')]),
    operator('Constant', [], [inner('.least')], { value_float: { float: LEAST_STEP } }),
    // A channel of zeros has no range, and nothing may be divided by 0.
    operator('Max', [inner('.ratio'), inner('.least')], [inner('.step')]),
    operator('QuantizeLinear', [inner('.depth'), inner('.step')], [zero], { axis: 0 }),
    operator('QuantizeLinear', [value, inner('.step'), zero], [coded], { axis: CHANNEL_AXIS }),
  ]
}

/** The operators that make a value of what crossed in its place. */
export function decodingNodes({ value, wire, tensors }: Form): GraphNode[] {
  if (wire === 'f16') return [operator('Cast', tensors, [value], { to: DataType.FLOAT })]
  return [operator('DequantizeLinear', tensors, [value], wire === 'u8c' ? { axis: CHANNEL_AXIS } : {})]
}
