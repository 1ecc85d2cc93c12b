import { z } from 'zod'

/**
 * What float32 tensors cross a cut as (decision D7), the most exact first: as they are, as float16, as uint8 with one
 * scale for each channel, or as uint8 with one scale for each tensor.
 */
export const Wire = z.enum(['f32', 'f16', 'u8c', 'u8'])
export type Wire = z.infer<typeof Wire>

/** What may be asked for: a wire, or that each cut has one of its own chosen for it. */
export const WireChoice = z.enum([...Wire.options, 'auto'])
export type WireChoice = z.infer<typeof WireChoice>

/** Largest relative error of the outputs on sample frames where wires are chosen, unless another is asked for. */
export const WIRE_ERROR = 0.02

/** A wire for a cut, and what a frame costs there on each, in ms: at both ends and on the way. */
export interface CutWire {
  readonly wire: Wire
  readonly ms: Readonly<Record<Wire, number>>
}

/** f32 of none. */
export function coarsestOf(wires: readonly (Wire | undefined)[]): Wire {
  return Wire.options.findLast(wire => wires.includes(wire)) ?? 'f32'
}

/** f32 of none. */
export function mostExactOf(wires: readonly (Wire | undefined)[]): Wire {
  return Wire.options.find(wire => wires.includes(wire)) ?? 'f32'
}

export const LossyWire = Wire.exclude(['f32'])
export type LossyWire = z.infer<typeof LossyWire>

/** A float32 tensor that crosses cuts in another form. */
export const Coding = z.object({
  /** The tensor. */
  value: z.string(),
  wire: LossyWire,
  /**
   * What crosses in its place. f16: one tensor; u8: the quantised one, its scale (float32) and its zero point (uint8), both
   * scalars; u8c: the same, with as many scales and zero points as the tensor has channels.
   */
  tensors: z.array(z.string()).min(1),
  /** The part's operator set has no operator for it: a session of its own beside the part's converts. */
  beside: z.boolean(),
})
export type Coding = Readonly<z.infer<typeof Coding>>

/** What becomes of a part's tensors on their way from and to others; left out: nothing. */
export interface Wiring {
  /** Tensors that arrive in another form, and that its model takes. */
  readonly decodes?: readonly Coding[] | undefined
  /** Tensors that its model makes, and that leave in another form. */
  readonly encodes?: readonly Coding[] | undefined
}

/** Bytes on the wire of a byte of float32. */
export const BYTES_PER_BYTE: Readonly<Record<Wire, number>> = { f32: 1, f16: 1 / 2, u8c: 1 / 4, u8: 1 / 4 }

/** Of the axes of a tensor. Of [1, tokens, features], each token is one. */
export const CHANNEL_AXIS = 1
const LEAST_RANK = 3

/** How many channels a float32 tensor has to have scales for, on wire u8c; 0 where it has none, or they are not known. */
export function channelsOf(dims: readonly (number | string | null)[]): number {
  const channels = dims[CHANNEL_AXIS]
  return dims.length >= LEAST_RANK && typeof channels === 'number' && channels > 1 ? channels : 0
}

/** What a tensor of these dims crosses as, where that wire is asked for: without channels, u8c is u8. */
export function wireFor(wire: LossyWire, dims: readonly (number | string | null)[]): LossyWire {
  return wire === 'u8c' && channelsOf(dims) === 0 ? 'u8' : wire
}
