import { z } from 'zod'
import { defineOptions, type Options, type OptionsInput } from '../../core/options.js'

const many = z.coerce.number().int().min(1)

/** Bounds of an ingress: nothing that sensors do makes it queue without a limit (promise 8). */
export const ingressOptions = defineOptions({
  maxFrameBytes: {
    check: many,
    default: 16 * 2 ** 20,
    value: 'BYTES',
    doc: "Largest message of a sensor; the broker's own limit may be lower.",
  },
  maxQueuedBytes: {
    check: many,
    default: 256 * 2 ** 20,
    value: 'BYTES',
    doc: 'Bytes of all messages of sensors that wait or are being decoded; above, new frames are dropped.',
  },
  maxPixels: {
    check: many,
    default: 2 ** 25,
    value: 'N',
    doc: 'Largest image that is decoded, width times height.',
  },
  decoders: {
    check: many.max(64),
    default: 2,
    value: 'N',
    doc: 'Images decoded at once.',
  },
  maxStreams: {
    check: many,
    default: 1_000,
    value: 'N',
    doc: 'Streams of one pipeline that are open at once; those without frames under way make room.',
  },
  dedupeFrames: {
    check: z.coerce.number().int().min(0),
    default: 1_024,
    value: 'N',
    doc: 'Frame ids of a stream that are remembered, so that a frame which comes again is not taken again.',
  },
  dedupeMs: {
    check: many,
    default: 600_000,
    value: 'MS',
    doc: 'How long each of them is remembered.',
  },
  unknownWaitMs: {
    check: z.coerce.number().int().min(0),
    default: 1_000,
    value: 'MS',
    doc: 'How long a frame waits for a pipeline that is not known yet.',
  },
})

export type IngressOptions = Options<typeof ingressOptions>
export type IngressOptionsInput = OptionsInput<typeof ingressOptions>
