import type { z } from 'zod'
import { type ErrorCode, MillraceError } from '../errors.js'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

export function encodeControl(message: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(message))
}

/** The message in `payload`, or undefined where it is not one: what others publish must not take an actor down. */
export function decodeControl<T>(schema: z.ZodType<T>, payload: Uint8Array): T | undefined {
  try {
    const result = schema.safeParse(JSON.parse(decoder.decode(payload)))
    return result.success ? result.data : undefined
  } catch {
    return undefined
  }
}

/** The error of a status or actual state, to be thrown. */
export function errorOf(state: { error?: { code: ErrorCode; message: string } | undefined }): MillraceError {
  return state.error === undefined
    ? new MillraceError('INTERNAL', 'no reason was given')
    : new MillraceError(state.error.code, state.error.message)
}
