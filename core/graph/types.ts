import { create } from '@bufbuild/protobuf'
import { type DType, type TensorSpec } from '../tensor.js'
import {
  TensorProto_DataType as DataType,
  type TensorShapeProto_Dimension,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './proto/onnx_pb.js'

/** The element types that onnxruntime-node carries, by their number in a file. */
const DTYPE_OF = new Map<number, DType>([
  [DataType.FLOAT, 'float32'],
  [DataType.DOUBLE, 'float64'],
  [DataType.FLOAT16, 'float16'],
  [DataType.UINT8, 'uint8'],
  [DataType.INT8, 'int8'],
  [DataType.UINT16, 'uint16'],
  [DataType.INT16, 'int16'],
  [DataType.INT32, 'int32'],
  [DataType.UINT32, 'uint32'],
  [DataType.INT64, 'int64'],
  [DataType.UINT64, 'uint64'],
  [DataType.BOOL, 'bool'],
  [DataType.STRING, 'string'],
])
const NUMBER_OF = new Map([...DTYPE_OF].map(([number, dtype]) => [dtype, number]))

export function dtypeOf(elemType: number): DType | undefined {
  return DTYPE_OF.get(elemType)
}

export function elemTypeOf(dtype: DType): number {
  return NUMBER_OF.get(dtype) ?? DataType.UNDEFINED
}

/** What the file says of a value, where that is a tensor of known rank and of a type that can be carried. */
export function specOf(info: ValueInfoProto): TensorSpec | undefined {
  const value = info.type?.value
  if (value?.case !== 'tensorType') return undefined
  const dtype = dtypeOf(value.value.elemType)
  const dims = value.value.shape?.dim.map(dimOf)
  return dtype === undefined || dims === undefined ? undefined : { name: info.name, dtype, dims }
}

/** What a value is, where the file says so and that cannot be carried. */
export function obstacle(info: ValueInfoProto): string | undefined {
  const value = info.type?.value
  if (value?.case === undefined) return undefined
  return value.case === 'tensorType'
    ? elementObstacle(value.value.elemType)
    : value.case.replace('Type', '').toLowerCase()
}

/** The name of an element type that cannot be carried. */
export function elementObstacle(elemType: number): string | undefined {
  if (elemType === 0 || DTYPE_OF.has(elemType)) return undefined
  return (DataType[elemType] ?? `element type ${elemType}`).toLowerCase()
}

export function infoOf({ name, dtype, dims }: TensorSpec): ValueInfoProto {
  const shape = create(TensorShapeProtoSchema, { dim: dims.map(dimensionOf) })
  const tensor = create(TypeProto_TensorSchema, { elemType: elemTypeOf(dtype), shape })
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: 'tensorType', value: tensor } }),
  })
}

function dimOf({ value }: TensorShapeProto_Dimension): number | string | null {
  if (value.case === 'dimValue') return value.value >= 0n ? Number(value.value) : null
  return value.case === 'dimParam' && value.value !== '' ? value.value : null
}

function dimensionOf(dim: number | string | null): TensorShapeProto_Dimension {
  if (dim === null) return create(TensorShapeProto_DimensionSchema)
  return create(TensorShapeProto_DimensionSchema, {
    value:
      typeof dim === 'number' ? { case: 'dimValue', value: BigInt(dim) } : { case: 'dimParam', value: dim },
  })
}
