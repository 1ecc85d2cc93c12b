import { z } from 'zod'
import { LinkAddress, LinkKind, ReplicaAddress } from '../link.js'
import { Lz4 } from '../lz4-choice.js'
import { Coding } from '../wire.js'
import { activationKey, count, errorInfo, name, partSource, sha256, speed, tensorSpec } from './fields.js'

/** A worker is there. Retained. */
export const Birth = z.object({
  worker: name,
  /** Grows with each start of the worker, so that a late death of an earlier one is recognised. */
  incarnation: count,
  cores: z.int().min(1),
  /** Of one core, that a control group lets it use; left out: one or more. */
  quota: z.number().positive().max(1).optional(),
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
      /** Whether it compresses that. */
      lz4: z.boolean().optional(),
      /** What is left of it then: a part of its bytes. */
      packed: z.number().positive().max(1).optional(),
      /** How fast its links to other workers have taken its messages of late, and how long the one took that shows it, and when. */
      deliveries: z
        .array(
          z.object({
            ...{ to: name, mbps: z.number().positive(), ms: z.number().positive() },
            agoMs: z.number().min(0).default(0),
          }),
        )
        .optional(),
    }),
  ),
})
export type Beat = z.infer<typeof Beat>
export type ActorProgress = Beat['actors'][number]

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
  lz4: Lz4,
  /** What the partition's model takes for a frame of the sample: it is run on such before it is ready, and its time told. */
  rehearse: z.array(tensorSpec).optional(),
})
export type Activation = z.infer<typeof Activation>

/** A text that is equal for equal activations and only for these. */
export function activationKeyOf(a: {
  pipeline: string
  epoch: number
  stage: number
  replica: number
}): string {
  return `${a.pipeline}/${a.epoch}/${a.stage}/${a.replica}`
}

/** Lets a peer measure its link to an inbox; the name of the user is the only topic that it may publish on. */
const probeUser = z.object({ username: z.string(), password: z.string() })
export type ProbeUser = z.infer<typeof probeUser>

/** An inbox, of worker `to`, to which a link is to be measured. */
const probeTarget = z.object({
  ...{ to: name, url: z.string(), ...probeUser.shape },
  /** It was measured a moment ago: the better of both figures counts. */
  again: z.boolean().optional(),
})
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
  links: z
    .array(
      z.object({
        ...{ to: name, mbps: z.number().positive(), rttMs: z.number().min(0) },
        /** How often it was measured; left out: once. */
        runs: z.int().min(1).optional(),
      }),
    )
    .optional(),
})
export type Actual = z.infer<typeof Actual>
export type ActivationState = Actual['activations'][number]

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
