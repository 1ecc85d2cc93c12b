import { z } from 'zod'
import { defineOptions } from '../../../core/options.js'

/** The option of every command that starts what can suffer faults. */
export const faultOption = defineOptions({
  allowFaults: {
    check: z.boolean(),
    default: false,
    doc: 'Whoever may publish at the broker may let it fail on purpose; for trying what happens then.',
  },
})
