import { z } from 'zod'
import { MillraceError } from './errors.js'
import {
  DTYPES,
  byteLength,
  elementCount,
  type NumericData,
  type NumericDType,
  type Tensor,
} from './tensor.js'

const STORED = ['uint8', 'int8', 'uint16', 'int16', 'int32', 'uint32', 'int64', 'float32', 'float64'] as const
const GIVEN = ['float32', 'float64', 'int32', 'int64'] as const
const LABELS = ['uint8', 'uint16', 'int32', 'int64'] as const

const inputSchema = z
  .strictObject({
    name: z.string().min(1),
    file: z.string().min(1),
    dtype: z.enum(STORED),
    dims: z.array(z.int().min(1)),
    as: z.enum(GIVEN).optional(),
    scale: z.number().optional(),
    offset: z.number().optional(),
  })
  .refine(({ scale, offset, as, dtype }) => noScaling(scale, offset) || isFloat(as ?? dtype), {
    path: ['as'],
    message: "scale and offset need 'as' to be float32 or float64",
  })
  .refine(({ as, dtype }) => !isFloat(dtype) || isFloat(as ?? dtype), {
    path: ['as'],
    message: 'stored floating-point numbers cannot be given as integers',
  })

const schema = z.strictObject({
  name: z.string().min(1),
  count: z.int().min(1),
  inputs: z
    .array(inputSchema)
    .min(1)
    .refine(inputs => new Set(inputs.map(input => input.name)).size === inputs.length, {
      message: 'two inputs have the same name',
    }),
  labels: z
    .strictObject({ file: z.string().min(1), dtype: z.enum(LABELS), output: z.string().min(1) })
    .optional(),
  licence: z.string().optional(),
  attribution: z.string().optional(),
})

/**
 * Frames for a model, and where known the class of each. Every file is raw and row-major, numbers little-endian,
 * frame after frame, without a header; its name is relative to the description's own folder.
 *
 * - `count` frames; frame i's tensor `name` has `dims`, which include the batch dimension.
 * - A stored value v of type `dtype` becomes v * `scale` + `offset` (1 and 0 where absent), of type `as` (as stored
 *   where absent).
 * - `labels` holds one class index a frame, which the largest element of the model's `output` should have.
 */
export type Dataset = z.infer<typeof schema>
export type DatasetInput = Dataset['inputs'][number]

/** The contents of a dataset's files by their names in the description. */
export type DatasetFiles = Readonly<Record<string, Uint8Array>>

/**
 * Checks a dataset description (parsed JSON).
 * @throws DATASET_INVALID: a key is unknown, missing or has a value that it cannot take; the message has its path
 */
export function parseDataset(json: unknown): Dataset {
  const result = schema.safeParse(json)
  if (result.success) return result.data
  const problems = result.error.issues.map(issue => `${pathOf(issue)}: ${issue.message}`)
  throw new MillraceError('DATASET_INVALID', `dataset description: ${problems.join('; ')}`)
}

/** Names of the files to read for `frameOf` and `labelOf`, each once. */
export function filesOf({ inputs, labels }: Dataset): string[] {
  return [...new Set([...inputs, ...(labels ? [labels] : [])].map(({ file }) => file))]
}

/** @throws DATASET_INVALID: a file is missing, or is shorter or longer than `count` frames or labels are */
export function checkFiles(dataset: Dataset, files: DatasetFiles): void {
  for (const { file, dtype, dims } of dataset.inputs) contents(dataset, files, file, byteLength(dtype, dims))
  const { labels } = dataset
  if (labels) contents(dataset, files, labels.file, byteLength(labels.dtype, []))
}

/**
 * Frame `index`, in [0, count), as the model's inputs, in fresh memory.
 * @throws DATASET_INVALID: no such frame, or a file does not have the size that the description says
 */
export function frameOf(
  dataset: Dataset,
  files: DatasetFiles,
  index: number,
): Readonly<Record<string, Tensor>> {
  return Object.fromEntries(
    dataset.inputs.map(input => {
      const stored = read(dataset, files, input.file, input.dtype, input.dims, index)
      return [input.name, given(input, stored)]
    }),
  )
}

/**
 * The class of frame `index`, in [0, count), or undefined where the dataset has no labels.
 * @throws DATASET_INVALID: no such frame, or the file does not have the size that the description says
 */
export function labelOf(dataset: Dataset, files: DatasetFiles, index: number): number | undefined {
  const { labels } = dataset
  return labels && Number(read(dataset, files, labels.file, labels.dtype, [], index)[0])
}

function given({ dtype, dims, scale, offset, ...input }: DatasetInput, stored: NumericData): Tensor {
  const as: NumericDType = input.as ?? dtype
  const data = as === dtype && noScaling(scale, offset) ? stored : converted(stored, as, scale, offset)
  return { dtype: as, dims, data }
}

function converted(stored: NumericData, as: NumericDType, scale = 1, offset = 0): NumericData {
  if (as === 'int64') return BigInt64Array.from(Array.from<number | bigint>(stored), BigInt)
  const numbers = Float64Array.from(
    Array.from<number | bigint>(stored),
    value => Number(value) * scale + offset,
  )
  return as === 'float64' ? numbers : as === 'int32' ? Int32Array.from(numbers) : Float32Array.from(numbers)
}

/** Elements of record `index` of a file, copied: a typed array cannot start at any byte of another's buffer. */
function read(
  dataset: Dataset,
  files: DatasetFiles,
  file: string,
  dtype: NumericDType,
  dims: readonly number[],
  index: number,
): NumericData {
  if (!Number.isInteger(index) || index < 0 || index >= dataset.count) {
    throw new MillraceError(
      'DATASET_INVALID',
      `${dataset.name} has ${dataset.count} frames, none is number ${index}`,
    )
  }
  const size = byteLength(dtype, dims)
  // Not `slice`: that of a Buffer does not copy.
  const bytes = new Uint8Array(
    contents(dataset, files, file, size).subarray(index * size, (index + 1) * size),
  )
  return new DTYPES[dtype].array(bytes.buffer, 0, elementCount(dims))
}

function contents({ count, name }: Dataset, files: DatasetFiles, file: string, each: number): Uint8Array {
  const bytes = files[file]
  if (!bytes) throw new MillraceError('DATASET_INVALID', `${name}: the file '${file}' was not read`)
  if (bytes.length !== count * each) {
    throw new MillraceError(
      'DATASET_INVALID',
      `'${file}' has ${bytes.length} bytes, but ${count} records of ${each} bytes make ${count * each}`,
    )
  }
  return bytes
}

function pathOf(issue: z.core.$ZodIssue): string {
  const keys = issue.code === 'unrecognized_keys' ? [issue.keys.join(', ')] : []
  return [...issue.path, ...keys].map(String).join('.') || '(whole)'
}

function isFloat(dtype: string): boolean {
  return dtype === 'float32' || dtype === 'float64'
}

function noScaling(scale = 1, offset = 0): boolean {
  return scale === 1 && offset === 0
}
