import { encodeEnvelope } from '../../core/codec/index.js'
import { type Partition } from '../../core/graph/index.js'
import { type Tensors, tensorsBytes } from '../../core/tensor.js'
import { openSession } from '../session/index.js'
import { pick } from './pick.js'
import { inRounds, type RoundLimits } from './rounds.js'

export interface BlockLimits extends RoundLimits {
  /** Of each block, in ms. */
  readonly budgetMs: number
  /** Weights of sessions that may be open at once, in bytes. */
  readonly openBytes: number
}

/** A block that runs as a session of its own. */
export interface MeasuredBlock {
  /** Least time of a run, in ms. */
  readonly ms: number
  /** Bytes of what its session takes and gives. */
  readonly inBytes: number
  readonly outBytes: number
  /** The message with what crosses its end, in bytes. */
  readonly messageBytes: number
}

interface OpenBlock extends Omit<MeasuredBlock, 'ms'> {
  readonly run: () => Promise<unknown>
  readonly release: () => Promise<void>
}

/** Runs blocks as sessions of their own, on one frame, as many at once in turns as may be open together. */
export async function measureBlocks(
  partitions: readonly Partition[],
  feeds: Tensors,
  limits: BlockLimits,
  checkpoint: () => Promise<void>,
): Promise<MeasuredBlock[]> {
  const measured: MeasuredBlock[] = []
  let tensors = feeds
  for (const group of groups(partitions, limits.openBytes)) {
    const open: OpenBlock[] = []
    try {
      for (const partition of group) {
        await checkpoint()
        const { block, leaving } = await openBlock(partition, tensors)
        open.push(block)
        tensors = leaving
      }
      const samples = await inRounds(
        open.map(({ run }) => run),
        { ...limits, budgetMs: limits.budgetMs * open.length },
        checkpoint,
      )
      for (const [i, { inBytes, outBytes, messageBytes }] of open.entries()) {
        measured.push({ ms: Math.min(...(samples[i] ?? [])), inBytes, outBytes, messageBytes })
      }
    } finally {
      for (const { release } of open) await release()
    }
  }
  return measured
}

/** Neighbours whose weights may be loaded together; a block that is larger alone makes a group. */
function groups(partitions: readonly Partition[], openBytes: number): Partition[][] {
  const all: Partition[][] = []
  let bytes = Infinity
  for (const partition of partitions) {
    bytes += partition.weightBytes
    if (bytes > openBytes) {
      all.push([])
      bytes = partition.weightBytes
    }
    all.at(-1)?.push(partition)
  }
  return all
}

async function openBlock(
  { model, sends }: Partition,
  arriving: Tensors,
): Promise<{ block: OpenBlock; leaving: Tensors }> {
  const session = await openSession(model)
  try {
    const feeds = pick(session.inputNames, arriving)
    const outputs = await session.run(feeds)
    const leaving = pick(sends, { ...arriving, ...outputs })
    const block = {
      run: () => session.run(feeds),
      release: () => session.release(),
      inBytes: tensorsBytes(feeds),
      outBytes: tensorsBytes(outputs),
      messageBytes: messageBytes(leaving),
    }
    return { block, leaving }
  } catch (error) {
    await session.release()
    throw error
  }
}

/** Of the message that carries tensors from one stage to the next, as there are in the middle of a pipeline. */
export function messageBytes(tensors: Tensors): number {
  const timing = { stage: 0, queueMs: 0.5, codecMs: 0.5, runMs: 0.5, bytesIn: 1 }
  const header = {
    dispatcher: 'dispatcher-of-a-machine',
    stream: 'stream',
    sequence: 1_000,
    epoch: 1,
    stage: 1,
    turn: 1_000,
    admittedAt: 1.5,
    timings: [timing],
  }
  return encodeEnvelope({ header, tensors }).byteLength
}
