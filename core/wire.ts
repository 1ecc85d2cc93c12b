import { z } from 'zod'

/** What float32 tensors cross a cut as (decision D7): as they are, as float16, or as uint8 with one scale for each tensor. */
export const Wire = z.enum(['f32', 'f16', 'u8'])
export type Wire = z.infer<typeof Wire>

/** A float32 tensor that crosses cuts in another form. */
export const Coding = z.object({
  /** The tensor. */
  value: z.string(),
  wire: z.enum(['f16', 'u8']),
  /** What crosses in its place. f16: one tensor; u8: the quantised one, its scale (float32) and its zero point (uint8), both scalars. */
  tensors: z.array(z.string()).min(1),
  /** The part's operator set has no operator for it: a session of its own beside the part's converts. */
  beside: z.boolean(),
})
export type Coding = Readonly<z.infer<typeof Coding>>
export type LossyWire = Coding['wire']

/** What becomes of a part's tensors on their way from and to others; left out: nothing. */
export interface Wiring {
  /** Tensors that arrive in another form, and that its model takes. */
  readonly decodes?: readonly Coding[] | undefined
  /** Tensors that its model makes, and that leave in another form. */
  readonly encodes?: readonly Coding[] | undefined
}

/** Bytes on the wire of a byte of float32. */
export const BYTES_PER_BYTE: Readonly<Record<Wire, number>> = { f32: 1, f16: 1 / 2, u8: 1 / 4 }
