import { type NodeProto } from '../../graph/proto/onnx_pb.js'

/** What a parameter does in its operator. */
export type Role = 'weight' | 'bias' | 'scale' | 'mean' | 'variance' | 'slope' | 'table'

/** A parameter that a node takes, by the name of the tensor. */
export interface Slot {
  readonly name: string
  readonly role: Role
}

/** Roles of an operator's inputs, in their order; null for what is data. */
const ROLES: Readonly<Record<string, readonly (Role | null)[]>> = {
  Conv: [null, 'weight', 'bias'],
  ConvTranspose: [null, 'weight', 'bias'],
  Gemm: [null, 'weight', 'bias'],
  MatMul: [null, 'weight'],
  BatchNormalization: [null, 'scale', 'bias', 'mean', 'variance'],
  InstanceNormalization: [null, 'scale', 'bias'],
  LayerNormalization: [null, 'scale', 'bias'],
  GroupNormalization: [null, 'scale', 'bias'],
  PRelu: [null, 'slope'],
  Gather: ['table'],
}

/** Element-wise operators whose one operand can be a layer's bias or scale. */
const AFTER_LAYER: Readonly<Record<string, Role>> = { Add: 'bias', Mul: 'scale' }

/** Operators that make a new linear combination of what they read. */
const LINEAR = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul'])

export function isLinear(node: NodeProto | undefined): node is NodeProto {
  return node !== undefined && node.domain === '' && LINEAR.has(node.opType)
}

/**
 * The parameters that a node takes.
 * @param producers  the node that makes each tensor
 */
export function slotsOf(node: NodeProto, producers: ReadonlyMap<string, NodeProto>): Slot[] {
  if (node.domain !== '') return []
  const after = AFTER_LAYER[node.opType]
  if (after !== undefined) return afterLayer(node, after, producers)
  const roles = ROLES[node.opType] ?? []
  return node.input.flatMap((name, i) => {
    const role = roles[i]
    return role && name ? [{ name, role }] : []
  })
}

/** The other operand, where one is what a linear layer makes. */
function afterLayer(node: NodeProto, role: Role, producers: ReadonlyMap<string, NodeProto>): Slot[] {
  const [a = '', b = ''] = node.input
  if (isLinear(producers.get(a))) return [{ name: b, role }]
  return isLinear(producers.get(b)) ? [{ name: a, role }] : []
}

/** How a linear layer's weights are laid out: which of them one output sums over. */
export interface FanIn {
  /** Inputs that one output sums over. */
  readonly count: number
  /** True when these lie one after another in memory, false when they are a column of a row-major matrix. */
  readonly contiguous: boolean
}

/** @returns undefined where `dims` are not those of such weights */
export function fanInOf(node: NodeProto, dims: readonly number[]): FanIn | undefined {
  const [first = 1, second = 1, ...kernel] = dims
  const area = kernel.reduce((product, dim) => product * dim, 1)
  switch (node.opType) {
    case 'Conv':
      return dims.length < 3 ? undefined : { count: second * area, contiguous: true }
    case 'ConvTranspose':
      return dims.length < 3 ? undefined : { count: first, contiguous: false }
    case 'Gemm':
    case 'MatMul': {
      const transposed = node.opType === 'Gemm' && integerAttribute(node, 'transB') === 1
      return dims.length !== 2 ? undefined : { count: transposed ? second : first, contiguous: transposed }
    }
    default:
      return undefined
  }
}

function integerAttribute(node: NodeProto, name: string): number {
  return Number(node.attribute.find(attribute => attribute.name === name)?.i ?? 0)
}
