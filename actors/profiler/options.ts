import { z } from 'zod'
import { defineOptions } from '../../core/options.js'

export const profileOptions = defineOptions({
  out: {
    check: z.string().min(1),
    value: 'FILE',
    doc: 'Where the costs are kept; left out, a file in the folder of profiles, named after model and machine.',
  },
  profileDir: {
    check: z.string().min(1),
    value: 'FOLDER',
    doc: 'Folder of profiles; left out, `millrace/profiles` in `XDG_CACHE_HOME` or `~/.cache`.',
  },
  force: {
    check: z.boolean(),
    default: false,
    doc: 'Measure again though there are costs of this model on this machine.',
  },
  measureMs: {
    check: z.coerce.number().int().min(1).max(600_000),
    default: 3_000,
    value: 'MS',
    doc: 'Time spent on runs of the whole model, and again on its blocks; at least five runs each, at most 30.',
  },
  limitMs: {
    check: z.coerce.number().int().min(1_000).max(86_400_000),
    default: 600_000,
    value: 'MS',
    doc: 'Limit on each of the three measurements: times, and memory with and without the model.',
  },
})
