import { z } from 'zod'
import { count, name } from './fields.js'

/** Who leads. Retained. */
export const Leader = z.object({ term: count, supervisor: name })
export type Leader = z.infer<typeof Leader>

/** What the leader finds wrong with workers that have something to run. Retained. */
export const Findings = z.object({
  term: count,
  findings: z.array(
    z.object({
      worker: name,
      code: z.enum(['WORKER_LOST', 'WORKER_STALLED', 'WORKER_SLOW']),
      message: z.string(),
      /** How many times slower than usual it is. */
      slowdown: z.number().min(1).optional(),
    }),
  ),
})
export type Findings = z.infer<typeof Findings>

/** The leader lives. */
export const LeaderBeat = z.object({ term: count })
export type LeaderBeat = z.infer<typeof LeaderBeat>
