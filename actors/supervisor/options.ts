import { z } from 'zod'
import { defineOptions, type Options } from '../../core/options.js'

export const supervisorOptions = defineOptions({
  deadAfterMs: {
    check: z.coerce.number().int().min(100).max(600_000),
    default: 3_000,
    value: 'MS',
    doc: 'Silence after which a worker counts as gone, however irregular its beats were before.',
  },
  acceptablePauseMs: {
    check: z.coerce.number().int().min(50).max(600_000),
    default: 600,
    value: 'MS',
    doc: 'Silence of a worker, beyond what its beats so far make likely, that is taken for a pause.',
  },
  workerWaitMs: {
    check: z.coerce.number().int().min(0),
    default: 15_000,
    value: 'MS',
    doc: 'How long a deployment waits for workers before it fails.',
  },
  measureMs: {
    check: z.coerce.number().int().min(1).max(60_000),
    default: 30,
    value: 'MS',
    doc: 'Time spent on measuring one block of a model, beside its first run.',
  },
})

export type SupervisorOptions = Options<typeof supervisorOptions>
