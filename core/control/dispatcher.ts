import { z } from 'zod'
import { count, name } from './fields.js'

/**
 * How one dispatcher has fared of late. Sent about once a second while it has frames; and with QoS 1 at once when `epoch`
 * or `draining` has changed, and when it ends.
 */
export const DispatcherReport = z.object({
  dispatcher: name,
  pipeline: name,
  /** Under which it sends what it sends. */
  epoch: count,
  /** Of the version that it tries beside that. */
  canary: count.optional(),
  /** Older epochs under which frames are still under way: what runs their stages is needed until there is none. */
  draining: z.array(count).default([]),
  /** It has ended; nobody need wait for it. */
  closed: z.boolean().default(false),
  at: z.number(),
  /** Since it started. */
  frames: z.object({ admitted: count, predicted: count, dropped: count, failed: count, inFlight: count }),
  /** Predictions per second, over the last seconds. */
  fps: z.number().min(0),
  /** From admission to delivery, of the same predictions; left out where there was none. */
  latencyMs: z.object({ p50: z.number().min(0), p99: z.number().min(0) }).optional(),
})
export type DispatcherReport = z.infer<typeof DispatcherReport>
