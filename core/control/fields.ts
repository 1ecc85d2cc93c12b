import { z } from 'zod'
import { type ErrorCode, isErrorCode } from '../errors.js'
import { type DType, isDType } from '../tensor.js'
import { isName } from '../topics.js'

export const name = z.string().refine(isName, 'must be 1 to 64 characters of a-z, 0-9 and -')
export const count = z.int().min(0)
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const dtype = z.custom<DType>(value => typeof value === 'string' && isDType(value), 'must be a tensor type')

export const tensorSpec = z.object({
  name: z.string(),
  dtype,
  dims: z.array(z.union([count, z.string(), z.null()])),
})

/** What a core does, in 10^9 floating-point operations per second, of a convolution and of a matrix product, in float32. */
export const speed = z.object({ convGflops: z.number().positive(), matmulGflops: z.number().positive() })
export type Speed = z.infer<typeof speed>

export const errorInfo = z.object({
  code: z.string().transform((code): ErrorCode => (isErrorCode(code) ? code : 'INTERNAL')),
  message: z.string(),
})

export const activationKey = { pipeline: name, epoch: count, stage: count, replica: count }

/** A model part, and workers that hold it: these are asked where the supervisor has it no more; left out: it has. */
export const partSource = z.object({ sha256, bytes: count, holders: z.array(name).optional() })
export type PartSource = z.infer<typeof partSource>

/** Which way frames go between stages: straight where that can be, straight only, or through the cluster's broker. */
export const links = z.enum(['auto', 'peer', 'broker']).default('auto')
