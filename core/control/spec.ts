import { z } from 'zod'
import { Lz4 } from '../lz4-choice.js'
import { SensorSettings } from '../sensing/settings.js'
import { Wire, WireChoice } from '../wire.js'
import { count, links, name, sha256 } from './fields.js'

/**
 * A model's file, and those that it keeps weights in: where it says that they are, relative to it; and one of frames to
 * choose and check wires by.
 */
export const modelFiles = z.object({
  sha256,
  bytes: count,
  name: z.string(),
  calibration: z.object({ sha256, bytes: count }).optional(),
  data: z.array(z.object({ location: z.string(), sha256, bytes: count })).optional(),
})
export type ModelFiles = z.infer<typeof modelFiles>

export const canaryShare = z.number().gt(0).lt(1)
/** What float32 tensors cross cuts as; left out: f32. */
export const wire = Wire.optional()

/** The same as it is asked for. */
export const wireChoice = WireChoice.optional()

/** What a user asks for. Retained; an empty payload takes the pipeline down. */
export const Spec = z.object({
  pipeline: name,
  /** Tells one request from the next under the same name. */
  deployment: name,
  model: modelFiles,
  /** Number of partitions; left out: as many as the planner finds best. */
  partitions: z.int().min(1).optional(),
  /** Positions at which it is to be cut, strictly increasing; `partitions` is one more then. */
  cuts: z.array(z.int().min(1)).min(1).optional(),
  /** Most that one worker may give it, its process included, in MiB; left out: all that the worker has. */
  memoryMib: z.number().positive().optional(),
  /** Whether several workers may take turns with one partition; left out: yes. */
  replicas: z.boolean().optional(),
  /** Workers that are to run nothing of it. */
  exclude: z.array(name).optional(),
  /** Frames in flight per dispatcher; left out: as many as do good, two per replica of each partition and two more at most. */
  window: z.int().min(1).optional(),
  lz4: Lz4,
  wire: wireChoice,
  /** Where wires are chosen: the largest relative error of the outputs on calibration or sample frames; left out: 0.02. */
  wireError: z.number().min(0).max(1).optional(),
  links,
  deployTimeoutMs: count,
  /** What is done with frames that sensors publish; left out: the defaults. */
  sensors: SensorSettings.optional(),
  /** Share of the frames that it is to take beside the version in force; left out: all of them, in its place. */
  canary: canaryShare.optional(),
})
export type Spec = z.infer<typeof Spec>

/** What a user asks of a pipeline that is deployed; takes the place of its spec. */
export const Order = z.object({
  pipeline: name,
  deployment: name,
  /** That the canary takes all frames; that it ends, or, where there is none, that the version before comes back. */
  order: z.enum(['promote', 'rollback']),
  deployTimeoutMs: count,
})
export type Order = z.infer<typeof Order>
