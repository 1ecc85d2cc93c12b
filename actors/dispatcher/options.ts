import { z } from 'zod'
import { defineOptions, type Options, type OptionsInput } from '../../core/options.js'

export const inferOptions = defineOptions({
  stream: {
    check: z.string().regex(/^[a-z0-9-]{1,64}$/, 'must be 1 to 64 characters of a-z, 0-9 and -'),
    value: 'NAME',
    doc: 'Name of the stream; left out, each subscription has a stream of its own.',
  },
  delivery: {
    check: z.enum(['lossless', 'freshest']),
    default: 'lossless',
    value: 'lossless|freshest',
    doc: '`lossless` drops nothing; `freshest` keeps a bounded queue and drops its oldest frame.',
  },
  order: {
    check: z.enum(['admission', 'completion']),
    default: 'admission',
    value: 'admission|completion',
    doc: 'Order in which predictions of a stream are delivered.',
  },
  maxQueuedFrames: {
    check: z.coerce.number().int().min(1).max(1_000_000),
    value: 'N',
    doc: 'Frames that may wait in front of the window; left out, 1,024, or 1 with `freshest`.',
  },
  maxQueuedBytes: {
    check: z.coerce.number().int().min(1),
    default: 256 * 1024 * 1024,
    value: 'BYTES',
    doc: 'Bytes of frames that may wait in front of the window.',
  },
  deadlineMs: {
    check: z.coerce.number().int().min(1),
    default: 30_000,
    value: 'MS',
    doc: 'Time after its admission within which a frame is predicted or has failed.',
  },
  retries: {
    check: z.coerce.number().int().min(0).max(20),
    default: 3,
    value: 'N',
    doc: 'Times that a frame whose result does not come is sent again under a plan, until its deadline.',
  },
  failures: {
    check: z.enum(['ledger', 'throw']),
    default: 'ledger',
    value: 'ledger|throw',
    doc: 'A frame that fails shows in the ledger only, or also ends the stream with its error.',
  },
})

export type InferOptions = Options<typeof inferOptions>
export type InferOptionsInput = OptionsInput<typeof inferOptions>
