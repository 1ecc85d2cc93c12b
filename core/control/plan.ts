import { z } from 'zod'
import { LinkKind } from '../link.js'
import { Lz4 } from '../lz4-choice.js'
import { SensorSettings } from '../sensing/settings.js'
import { count, errorInfo, links, name, tensorSpec } from './fields.js'
import { canaryShare, modelFiles, Spec, wire, wireChoice } from './spec.js'

/** One replica of a stage. */
export const PlanStage = z.object({
  stage: count,
  worker: name,
  replica: count,
  /** How many of the stage's frames it takes, beside its other replicas. */
  weight: z.number().positive().default(1),
  operators: count,
  weightBytes: count,
  /** Bytes of the tensors that leave, for one frame of the sample. */
  outBytes: count,
  /** What float32 tensors among them leave as, but for the model's own inputs and outputs; left out: f32. */
  wire,
  /** For each frame of the pipeline, as predicted on this worker. */
  computeMs: z.number(),
  /** How many times slower than usual the worker was taken to be for that; left out: not slower. */
  slowdown: z.number().min(1).optional(),
  /** Predicted, of a worker that runs this stage alone, its process included. */
  memoryBytes: z.number().min(0).optional(),
  /** Which way it sends what it makes. */
  link: LinkKind,
  inbox: z.object({ topic: z.string() }),
})
export type PlanStage = z.infer<typeof PlanStage>

/** What a plan is expected to come to. */
const predicted = z.object({
  /** Of the slowest device, link or network card, for each frame, and which that is, such as `w1` or `w1 to w2`. */
  bottleneckMs: z.number().min(0),
  bottleneck: z.string(),
  fps: z.number().min(0),
  /** Of a frame through the empty pipeline. */
  latencyMs: z.number().min(0),
  /** No plan is faster than this; left out, as is what follows, where the number of partitions was asked for. */
  lowerBoundMs: z.number().min(0).optional(),
  /** By what part the bottleneck may be above the best there is: 0 to 1. */
  gap: z.number().min(0).max(1).optional(),
  /** Proved: no plan is faster. */
  optimal: z.boolean().optional(),
  solveMs: z.number().min(0).optional(),
  /** Workers that were there, might have been used, and were not. */
  unused: z.array(name),
})
export type Predicted = z.infer<typeof predicted>

/** Why a plan took the place of the one before, or is about to. */
const reason = z.enum([
  'deployed',
  'worker lost',
  'worker joined',
  'worker slow',
  'worker stalled',
  'worker changed',
  'parts uneven',
  'canary',
  'canary ended',
  'promoted',
  'rolled back',
])
export type PlanReason = z.infer<typeof reason>

/** What was asked for that a plan made anew is bound by too, as in `Spec`. */
const asked = Spec.pick({
  ...{ partitions: true, cuts: true, memoryMib: true },
  ...{ replicas: true, exclude: true, wireError: true },
})

/** One version of a model on its workers. */
const versionPlan = z.object({
  pipeline: name,
  deployment: name,
  term: count,
  epoch: count,
  model: modelFiles,
  inputs: z.array(tensorSpec),
  outputs: z.array(tensorSpec),
  /** Stage by stage, and the replicas of each in their order. */
  stages: z.array(PlanStage).min(1),
  window: z.int().min(1),
  /** Frames in flight per dispatcher at first, where that finds out how many do good; left out: as many as `window`. */
  leastWindow: z.int().min(1).optional(),
  lz4: Lz4,
  /** As it was asked for; each stage says what leaves it. */
  wire: wireChoice,
  links,
  /**
   * Largest relative error of the chain of partitions against the uncut model: on the frames that it was deployed with, or
   * else on a sample frame, several where wires are chosen (promise 9).
   */
  sampleError: z.number(),
  /**
   * What becomes of frames under way when this plan takes the place of another. `replay`: they are sent again under this
   * one, at once. `drain`: they stay where they are until their results have come, or for a few seconds; for a change that
   * leaves what was there running meanwhile.
   */
  handover: z.enum(['replay', 'drain']).default('replay'),
  predicted: predicted.optional(),
  reason: reason.optional(),
  asked: asked.optional(),
  /** Positions at which the model is cut: one fewer than partitions. */
  cuts: z.array(count).optional(),
  sensors: SensorSettings.optional(),
})

/** The plan in force. Retained. */
export const Plan = versionPlan.extend({
  /** Grows with each change that leaves the epoch as it is; left out: the plan is as new as its term and epoch say. */
  revision: z.object({ term: count, number: count }).optional(),
  /** A version that is tried beside this one, on the frames that `isCanaryFrame` names. */
  canary: z.object({ share: canaryShare, plan: versionPlan }).optional(),
  /** The version before, as it would be asked for again; left out: there was none, or it is not to come back. */
  previous: Spec.optional(),
})
export type Plan = z.infer<typeof Plan>

/** What the supervisor makes of a spec. Retained. */
export const PipelineStatus = z.object({
  pipeline: name,
  deployment: name,
  state: z.enum(['fetching', 'planning', 'loading', 'ready', 'degraded', 'failed']),
  epoch: count,
  /** Of the plan in force, or of what is being done about it. */
  reason: reason.optional(),
  error: errorInfo.optional(),
})
export type PipelineStatus = z.infer<typeof PipelineStatus>
