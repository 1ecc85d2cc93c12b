import { z } from 'zod'
import { defineOptions, type Options, type OptionsInput } from '../options.js'
import { type Random } from '../synthetic/index.js'
import { Fault } from './faults.js'

export const simulatorOptions = defineOptions({
  frames: {
    check: z.int().min(1),
    default: 1_000,
    doc: 'Frames that the source has.',
  },
  everyMs: {
    check: z.number().positive(),
    doc: 'Time between two frames of a source that cannot be held back; left out, frames are pulled.',
  },
  delivery: {
    check: z.enum(['lossless', 'freshest']),
    default: 'lossless',
    doc: 'What comes of frames that do not fit in the queue: the newest is dropped, or the oldest.',
  },
  maxQueuedFrames: {
    check: z.int().min(1),
    doc: 'Frames that may wait in front of the window; left out, 1,024, or 1 with `freshest`.',
  },
  order: {
    check: z.enum(['admission', 'completion']),
    default: 'admission',
    doc: 'Order in which predictions are delivered.',
  },
  window: {
    check: z.int().min(1),
    default: 16,
    doc: 'Frames that may be under way at most.',
  },
  leastWindow: {
    check: z.int().min(1),
    doc: 'Frames that may be under way at first, where the window adapts; left out, it is fixed.',
  },
  deadlineMs: {
    check: z.number().positive(),
    default: 30_000,
    doc: 'Time after its admission within which a frame is predicted or has failed.',
  },
  detectMs: {
    check: z.number().min(0),
    default: 1_000,
    doc: 'Time after which an outage is noticed; frames that it has lost are sent again then.',
  },
  faults: {
    check: z.array(Fault),
    default: [],
    doc: 'What happens to devices and links.',
  },
  jitter: {
    check: z.number().min(0).max(1),
    default: 0,
    doc: 'Work of a frame on a device is multiplied by an even choice from 1 - jitter to 1 + jitter.',
  },
  random: {
    check: z.custom<Random>(),
    doc: 'Where `jitter` comes from; needed with it.',
  },
})

export type SimulatorOptions = Options<typeof simulatorOptions>
export type SimulatorOptionsInput = OptionsInput<typeof simulatorOptions>
