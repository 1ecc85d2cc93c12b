import { z } from 'zod'
import { defineOptions, type Options } from '../../core/options.js'
import { profileOptions } from '../profiler/index.js'

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
    default: 1_000,
    value: 'MS',
    doc: 'Time spent on runs of a model whose costs are not known yet, and again on its blocks; at least five runs each, at most 30.',
  },
  planMs: {
    check: z.coerce.number().int().min(1).max(600_000),
    default: 5_000,
    value: 'MS',
    doc: 'Time for the search of a plan; then the best plan so far is taken.',
  },
  slowFactor: {
    check: z.coerce.number().min(0).max(1_000),
    default: 2.5,
    value: 'TIMES',
    doc: 'How many times longer than usual a worker must take for its frames, compared with others, to count as slow; 0: none does.',
  },
  stalledAfterMs: {
    check: z.coerce.number().int().min(0).max(3_600_000),
    default: 10_000,
    value: 'MS',
    doc: 'Time that an inference may take before its worker counts as stalled, or twenty times what is predicted where that is more; 0: none does.',
  },
  replanGain: {
    check: z.coerce.number().min(0).max(100),
    default: 0.15,
    value: 'PART',
    doc: 'By what part a pipeline must become faster for a plan made anew to take the place of the one in force: 0.15 is 15 %; a third of it where frames have shown that partitions are uneven.',
  },
  replanIntervalMs: {
    check: z.coerce.number().int().min(0).max(86_400_000),
    default: 10_000,
    value: 'MS',
    doc: 'Least time between two plans that are made anew for one pipeline because workers came, went or changed; it doubles with each that follows soon, up to 10 min; 0: none is.',
  },
  profileDir: {
    ...profileOptions.profileDir,
    doc: 'Folder in which costs are looked up that `millrace profile` measured on this machine; left out, `millrace/profiles` in `XDG_CACHE_HOME` or `~/.cache`.',
  },
})

export type SupervisorOptions = Options<typeof supervisorOptions>
