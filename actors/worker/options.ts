import { z } from 'zod'
import { defineOptions, type Options } from '../../core/options.js'

export const workerOptions = defineOptions({
  heartbeatMs: {
    check: z.coerce.number().int().min(20).max(60_000),
    default: 250,
    value: 'MS',
    doc: 'Time between two beats of a worker.',
  },
  activationTimeoutMs: {
    check: z.coerce.number().int().min(1_000),
    default: 120_000,
    value: 'MS',
    doc: 'Limit on the loading of one partition that is there.',
  },
  runtimeRestarts: {
    check: z.coerce.number().int().min(0).max(100),
    default: 3,
    value: 'N',
    doc: 'How often in a minute a crashed runtime process is started again. After one crash more the worker gives its actors up, and starts another when the minute is over.',
  },
  runtimeStallMs: {
    check: z.coerce.number().int().min(0).max(600_000),
    default: 1_500,
    value: 'MS',
    doc: 'Silence after which a runtime process counts as stalled, is killed, and is started again; 0: never.',
  },
  benchmark: {
    check: z.boolean(),
    default: true,
    doc: 'Measuring how fast this machine computes, of which plans make use. It takes about a second, once for all workers of a machine; `MILLRACE_BENCHMARK=off` in the environment turns it off too.',
  },
  memoryMib: {
    check: z.coerce.number().int().min(16),
    value: 'MIB',
    doc: 'Memory that the processes of the worker may have together, as far as plans go; left out, what the machine and its control groups have left.',
  },
  pieceTimeoutMs: {
    check: z.coerce.number().int().min(100),
    default: 5_000,
    value: 'MS',
    doc: 'Wait for one piece of a model part before it is asked for again.',
  },
})

export type WorkerOptions = Options<typeof workerOptions>
