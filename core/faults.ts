import { z } from 'zod'
import { errorInfo } from './control/index.js'
import { isName } from './topics.js'

/** What a line lets through: all; nothing, and the ends are told; or nothing, and they are not. */
export const LineState = z.enum(['whole', 'cut', 'silent'])
export type LineState = z.infer<typeof LineState>

const name = z.string().refine(isName, 'must be 1 to 64 characters of a-z, 0-9 and -')
const count = z.int().min(0)
const ms = z.number().min(0).max(3_600_000)
/** A worker's machine, or only the process that runs its partitions. */
const victim = z.enum(['worker', 'runtime'])
const stage = { pipeline: name, stage: count }

/** A fault that lasts until another of its kind, for the same stage, takes its place. */
export const ActorFault = z.discriminatedUnion('type', [
  /** Each run takes so many times as long. */
  z.object({ type: z.literal('slow'), ...stage, factor: z.number().min(1).max(1_000) }),
  /** Of the messages that leave, so many have a byte changed: 0 to 1. */
  z.object({ type: z.literal('corrupt'), ...stage, rate: z.number().min(0).max(1) }),
  /** The process ends as soon as it is to run this frame. */
  z.object({ type: z.literal('poison'), ...stage, stream: name, sequence: count }),
])
export type ActorFault = z.infer<typeof ActorFault>

/** A link breaks for a while, as far as this worker has it: to an inbox by its URL, or to the cluster's broker. */
export const LineFault = z.object({
  type: z.literal('line'),
  url: z.string().optional(),
  state: LineState,
  ms,
})
export type LineFault = z.infer<typeof LineFault>

export const Fault = z.discriminatedUnion('type', [
  z.object({ type: z.literal('kill'), victim }),
  z.object({ type: z.literal('stall'), victim, ms }),
  LineFault,
  ...ActorFault.options,
  /** Of the broker: it ends, and another begins at its address after so long, with nothing that it kept. */
  z.object({ type: z.literal('restart'), ms }),
])
export type Fault = z.infer<typeof Fault>
export type Victim = z.infer<typeof victim>

/** Orders a fault from a worker or a broker that allows it. */
export const FaultOrder = z.object({ order: name, fault: Fault })
export type FaultOrder = z.infer<typeof FaultOrder>

/** That a fault is about to happen, or, where that leaves somebody to say so, has happened; or why not. */
export const FaultAnswer = z.object({ order: name, error: errorInfo.optional() })
export type FaultAnswer = z.infer<typeof FaultAnswer>
