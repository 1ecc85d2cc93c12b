import { z } from 'zod'
import { MillraceError } from '../errors.js'

/** Counts up with every change that makes older files wrong or unreadable. */
export const COSTS_VERSION = 4

const bytes = z.number().min(0).max(Number.MAX_SAFE_INTEGER)
const ms = z.number().min(0)
const place = z.int().min(0)
const text = z.string().min(1).max(1_000)

const block = z.strictObject({
  /** Nodes [from, to) in topological order. */
  from: place,
  to: place,
  /** Its share of the whole model's time, without what a cut on either side adds. */
  computeMs: ms,
  weightBytes: bytes,
  /** Tensors that live at once at the worst moment, those that only pass by included. */
  activationBytes: bytes,
})

const crossing = z.strictObject({
  /** Of the message that carries it, headers included. */
  bytes,
  tensors: place,
  /** Of these, float32 tensors that another wire would carry in another form, and how many they are. */
  floatBytes: bytes,
  floats: place,
  /** Of these, in all of them, channels that have scales of their own on wire u8c; 0: it carries them as u8 does. */
  channels: place,
  /** What a cut here adds to the part before it and to the part after it; 0 at both ends of the model. */
  cutMsBefore: ms,
  cutMsAfter: ms,
})

const node = z.strictObject({ name: z.string(), operator: text, ms })

/** A cost that grows with size. */
const rate = z.strictObject({ msPerMessage: ms, msPerByte: ms })

/** What converting a byte of float32 costs its sender, and its receiver. */
const conversion = z.strictObject({ encode: rate, decode: rate })

const machine = z.strictObject({ cpu: z.string(), cores: z.int().min(1), node: text, onnxruntime: text })

const schema = z
  .strictObject({
    version: z.literal(COSTS_VERSION),
    model: z.strictObject({ name: text, sha256: z.string().regex(/^[0-9a-f]{64}$/), bytes }),
    machine,
    measuredAt: z.iso.datetime(),
    /** How often the whole model was run under the profiler. */
    runs: z.int().min(1),
    /** One run of the whole model: the sum of its blocks. */
    wholeMs: ms,
    /** Of that, what the profiler told of operators that no node of the file could be found for. */
    unmappedMs: ms,
    /** Interquartile range of the runs' times, relative to their median: above 0.2 or so the machine was busy. */
    spread: z.number().min(0),
    blocks: z.array(block).min(1),
    /** Before block i, and after the last. */
    crossings: z.array(crossing).min(2),
    nodes: z.array(node),
    codec: z.strictObject({ encode: rate, decode: rate }),
    conversions: z.strictObject({ f16: conversion, u8c: conversion, u8: conversion }),
    /** A message on its way from worker to worker, on both of them together. */
    transport: rate,
    memory: z.strictObject({
      /** A runtime process before it has loaded a model. */
      processBytes: bytes,
      /** What any session adds to it, however small its model. */
      sessionBytes: bytes,
      /** What a byte of weights takes in a session. */
      weightFactor: z.number().min(1),
    }),
  })
  .check(({ value, issues }) => {
    for (const message of problems(value)) issues.push({ code: 'custom', message, input: value })
  })

/**
 * What a model costs on one machine, measured. Times are in ms of one core, and sizes in bytes.
 */
export type Costs = Readonly<z.infer<typeof schema>>
export type BlockCosts = Readonly<z.infer<typeof block>>
export type CrossingCosts = Readonly<z.infer<typeof crossing>>
export type NodeCosts = Readonly<z.infer<typeof node>>
export type Rate = Readonly<z.infer<typeof rate>>
export type Machine = Readonly<z.infer<typeof machine>>
export type MemoryCosts = Costs['memory']

/**
 * The costs in a file's text.
 * @param title  names the file in messages
 * @throws COSTS_INVALID: it is no JSON, of another version, or its blocks do not make a chain; the message says where
 */
export function parseCosts(content: string, title: string): Costs {
  const result = schema.safeParse(jsonOf(content, title))
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new MillraceError('COSTS_INVALID', `${title}: ${issue?.path.join('.')}: ${issue?.message}`)
}

function jsonOf(content: string, title: string): unknown {
  try {
    return JSON.parse(content)
  } catch (error) {
    throw MillraceError.from(error, 'COSTS_INVALID', `${title}: `)
  }
}

function problems({ blocks, crossings }: z.infer<typeof schema>): string[] {
  const gap = blocks.findIndex(({ from, to }, i) => from !== (blocks[i - 1]?.to ?? 0) || to < from)
  return [
    ...(gap < 0 ? [] : [`block ${gap} does not begin where the one before it ends`]),
    ...(crossings.length === blocks.length + 1
      ? []
      : [`${blocks.length} blocks have ${blocks.length + 1} crossings, not ${crossings.length}`]),
  ]
}
