import { z } from 'zod'
import { PixelSettings } from '../../core/sensing/index.js'

const several = z
  .record(z.string(), PixelSettings)
  .refine(inputs => Object.keys(inputs).length > 0, 'must name an input')

/** The settings of the only input, `{ dtype: 'uint8' }` at least, or of inputs by name; or a text of one of these. */
export const pixelInputs = z.preprocess(
  valueOf,
  z.union([PixelSettings, several], { error: ({ input }) => problemOf(input) }),
)

/** Of a command line. */
function valueOf(given: unknown): unknown {
  if (typeof given !== 'string') return given
  if (given === 'uint8') return { dtype: given }
  try {
    return JSON.parse(given) as unknown
  } catch {
    return undefined
  }
}

/** What is wrong with it as the one of the two that it is meant to be. */
function problemOf(input: unknown): string {
  if (typeof input !== 'object' || input === null)
    return 'must be uint8, or an object with dtype and what scales it, or such objects by the names of inputs'
  const isOne = 'dtype' in input && typeof input.dtype !== 'object'
  const issues = (isOne ? PixelSettings : several).safeParse(input).error?.issues ?? []
  return issues.map(({ path, message }) => [...path.map(String), message].join(': ')).join('; ')
}
