import { z } from 'zod'
import { type ErrorCode, isErrorCode, MillraceError } from './errors.js'
import { LinkAddress, LinkKind, ReplicaAddress } from './link.js'
import { SensorSettings } from './sensing/settings.js'
import { isName } from './topics.js'
import { type DType, isDType } from './tensor.js'
import { Coding, Wire } from './wire.js'

/**
 * Control messages (decisions D4, D5): JSON, so that a person with any MQTT client can read them. A field that this
 * version does not know is ignored, so that versions can live side by side.
 */
const name = z.string().refine(isName, 'must be 1 to 64 characters of a-z, 0-9 and -')
const count = z.int().min(0)
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const dtype = z.custom<DType>(value => typeof value === 'string' && isDType(value), 'must be a tensor type')

const tensorSpec = z.object({
  name: z.string(),
  dtype,
  dims: z.array(z.union([count, z.string(), z.null()])),
})

/** What a core does, in 10^9 floating-point operations per second, of a convolution and of a matrix product, in float32. */
const speed = z.object({ convGflops: z.number().positive(), matmulGflops: z.number().positive() })
export type Speed = z.infer<typeof speed>

export const errorInfo = z.object({
  code: z.string().transform((code): ErrorCode => (isErrorCode(code) ? code : 'INTERNAL')),
  message: z.string(),
})

/** A worker is there. Retained. */
export const Birth = z.object({
  worker: name,
  /** Grows with each start of the worker, so that a late death of an earlier one is recognised. */
  incarnation: count,
  cores: z.int().min(1),
  memoryBytes: count,
  bornAt: count,
  /** Time between two of its beats, in ms; left out: about 250. */
  beatMs: z.number().positive().optional(),
  /** Where its runtime's inbox broker listens; left out: it has none. */
  inbox: z.string().optional(),
  /** Of its link, in 10^6 bit/s, as measured to the broker and back; left out: not known, or within one machine. */
  linkMbps: z.number().positive().optional(),
  /** Of that link, for a small message there and back; left out like it. */
  linkRttMs: z.number().min(0).optional(),
  /** Of one of its cores, as it may use it, for float32; left out: not measured, or not yet. */
  speed: speed.optional(),
  /** Memory that its actors may still take, as it was when this was sent; left out: not known. */
  availableBytes: count.optional(),
})
export type Birth = z.infer<typeof Birth>

/** An incarnation of a worker, or a term of a supervisor, ended; the will of its connection. */
export const Death = z.object({ incarnation: count })
export type Death = z.infer<typeof Death>

const activationKey = { pipeline: name, epoch: count, stage: count, replica: count }

/** A worker lives; how far each of its actors is. */
export const Beat = z.object({
  worker: name,
  incarnation: count,
  at: z.number(),
  /** Of the agent and its runtime process. */
  rssBytes: count,
  /** Processor time that both have used so far; a runtime that is started again begins anew. */
  cpuMs: z.number().min(0).optional(),
  /** When the runtime counted what follows; left out: `at`. */
  countedAt: z.number().optional(),
  /** Counts since the actor was activated. */
  actors: z.array(
    z.object({
      ...activationKey,
      frames: count,
      failures: count,
      waiting: count,
      /** Of those that wait, in its session. */
      running: count.default(0),
      runMs: z.number(),
      /** Of the messages that it took and sent. */
      bytesIn: count.default(0),
      bytesOut: count.default(0),
      /** Which way it sends what it makes, now. */
      link: LinkKind.default('broker'),
    }),
  ),
})
export type Beat = z.infer<typeof Beat>
export type ActorProgress = Beat['actors'][number]

/** A model part, and workers that hold it: these are asked where the supervisor has it no more; left out: it has. */
const partSource = z.object({ sha256, bytes: count, holders: z.array(name).optional() })
export type PartSource = z.infer<typeof partSource>

/** One partition that a worker is to run. */
export const Activation = z.object({
  ...activationKey,
  term: count,
  part: partSource,
  /** Tensors that arrive, those handed on unchanged, and those that leave; in the words of the graph. */
  receives: z.array(z.string()),
  carries: z.array(z.string()),
  sends: z.array(z.string()),
  /** Tensors that its model takes and makes, and that arrive and leave in another form; left out: none. */
  decodes: z.array(Coding).optional(),
  encodes: z.array(Coding).optional(),
  inbox: LinkAddress,
  /** The inboxes of the next stage's replicas; left out for the last stage, which answers the frame's dispatcher. */
  next: z.array(ReplicaAddress).min(1).optional(),
  /** Frames that may wait before the stage; more are refused. */
  inboxFrames: z.int().min(1),
  /** LZ4 on the tensors that leave, where it makes them smaller. */
  lz4: z.boolean(),
  /** What the partition's model takes for a frame of the sample: it is run on such before it is ready, and its time told. */
  rehearse: z.array(tensorSpec).optional(),
})
export type Activation = z.infer<typeof Activation>

/** Lets a peer measure its link to an inbox; the name of the user is the only topic that it may publish on. */
const probeUser = z.object({ username: z.string(), password: z.string() })
export type ProbeUser = z.infer<typeof probeUser>

/** An inbox, of worker `to`, to which a link is to be measured. */
const probeTarget = z.object({ to: name, url: z.string(), ...probeUser.shape })
export type ProbeTarget = z.infer<typeof probeTarget>

/** All that a worker is to do. Retained, written by the leading supervisor only. */
export const Desired = z.object({
  term: count,
  activations: z.array(Activation),
  /** Parts that it may soon have to run: it fetches them one by one, as far as its cache has room. */
  prefetch: z.array(partSource).optional(),
  /** Links that it is to measure, and those who may measure theirs to its inbox. */
  probes: z.object({ accept: z.array(probeUser), measure: z.array(probeTarget) }).optional(),
})
export type Desired = z.infer<typeof Desired>
export type Probes = NonNullable<Desired['probes']>

/** What a worker runs. Retained. */
export const Actual = z.object({
  worker: name,
  incarnation: count,
  /** The largest of the supervisors that it has obeyed; it takes nothing from smaller ones. */
  term: count.default(0),
  activations: z.array(
    z.object({
      ...activationKey,
      state: z.enum(['fetching', 'loading', 'ready', 'failed']),
      /** Which way it sends what it makes; known when it is ready. */
      link: LinkKind.optional(),
      /** A run of its model, in ms by the clock, where that was to be rehearsed. */
      runMs: z.number().positive().optional(),
      error: errorInfo.optional(),
    }),
  ),
  /** Parts that it was to fetch beforehand, and has. */
  prefetched: z.array(sha256).optional(),
  /** To the inboxes of other workers, as measured; the time is that of a small message there and its acknowledgement. */
  links: z.array(z.object({ to: name, mbps: z.number().positive(), rttMs: z.number().min(0) })).optional(),
})
export type Actual = z.infer<typeof Actual>
export type ActivationState = Actual['activations'][number]

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

/** A model's file, and those that it keeps weights in: where it says that they are, relative to it. */
const modelFiles = z.object({
  sha256,
  bytes: count,
  name: z.string(),
  data: z.array(z.object({ location: z.string(), sha256, bytes: count })).optional(),
})
export type ModelFiles = z.infer<typeof modelFiles>

/** Which way frames go between stages: straight where that can be, straight only, or through the cluster's broker. */
const links = z.enum(['auto', 'peer', 'broker']).default('auto')

const canaryShare = z.number().gt(0).lt(1)
/** What float32 tensors cross cuts as; left out: f32. */
const wire = Wire.optional()

/** What a user asks for. Retained; an empty payload takes the pipeline down. */
export const Spec = z.object({
  pipeline: name,
  /** Tells one request from the next under the same name. */
  deployment: name,
  model: modelFiles,
  /** Number of partitions; left out: as many as the planner finds best. */
  partitions: z.int().min(1).optional(),
  /** Whether several workers may take turns with one partition; left out: yes. */
  replicas: z.boolean().optional(),
  /** Workers that are to run nothing of it. */
  exclude: z.array(name).optional(),
  /** Frames in flight per dispatcher; left out: as many as do good, two per replica of each partition and two more at most. */
  window: z.int().min(1).optional(),
  lz4: z.boolean(),
  wire,
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
  'canary',
  'canary ended',
  'promoted',
  'rolled back',
])
export type PlanReason = z.infer<typeof reason>

/** What was asked for that a plan made anew is bound by too, as in `Spec`. */
const asked = Spec.pick({ partitions: true, replicas: true, exclude: true })

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
  lz4: z.boolean(),
  /** As it was asked for; each stage says what leaves it. */
  wire,
  links,
  /** Largest relative error of the chain of partitions against the uncut model, on a sample frame (promise 9). */
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

/**
 * A process that ran stages of a pipeline has ended by itself or was killed. Its agent says which frames were in sessions'
 * threads then, so that a frame that did it can be told from those beside it (promise 6).
 */
export const Crash = z.object({
  pipeline: name,
  worker: name,
  incarnation: count,
  /** Counts the crashes under that incarnation, from 1, so that a message that comes twice is recognised. */
  crash: count,
  epoch: count,
  suspects: z.array(z.object({ dispatcher: name, stream: name, sequence: count })),
  /** Frames of other pipelines or epochs that were there too. */
  others: count.default(0),
})
export type Crash = z.infer<typeof Crash>

/** Asks for some bytes of a part: a worker that holds it, or whoever is no worker and does. */
export const PartRequest = z.object({
  requester: name,
  offset: count,
  length: z.int().min(1),
  holder: name.optional(),
})
export type PartRequest = z.infer<typeof PartRequest>

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

export function encodeControl(message: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(message))
}

/** The message in `payload`, or undefined where it is not one: what others publish must not take an actor down. */
export function decodeControl<T>(schema: z.ZodType<T>, payload: Uint8Array): T | undefined {
  try {
    const result = schema.safeParse(JSON.parse(decoder.decode(payload)))
    return result.success ? result.data : undefined
  } catch {
    return undefined
  }
}

/** A text that is equal for equal activations and only for these. */
export function activationKeyOf(a: {
  pipeline: string
  epoch: number
  stage: number
  replica: number
}): string {
  return `${a.pipeline}/${a.epoch}/${a.stage}/${a.replica}`
}

/** The error of a status or actual state, to be thrown. */
export function errorOf(state: { error?: { code: ErrorCode; message: string } | undefined }): MillraceError {
  return state.error === undefined
    ? new MillraceError('INTERNAL', 'no reason was given')
    : new MillraceError(state.error.code, state.error.message)
}
