import { z } from 'zod'
import { defineOptions } from '../../core/options.js'

export const storeOptions = defineOptions({
  cacheDir: {
    check: z.string().min(1),
    value: 'FOLDER',
    doc: 'Where model parts are kept; left out, a temporary folder.',
  },
  cacheLimitMib: {
    check: z.coerce.number().int().min(1).max(1_000_000_000),
    default: 8_192,
    value: 'MIB',
    doc: 'Most that each supervisor or worker keeps of model parts, in MiB; what was longest not used goes first, and nothing that is in use.',
  },
})

export const MIB = 2 ** 20
