import { firstValueFrom, lastValueFrom } from 'rxjs'
import { PacedFrames } from '../../actors/bin/chaos/paced-frames.js'
import { connect, type Pipeline } from '../../config/index.js'
import { syntheticFrame } from '../../core/synthetic/index.js'
import { type Tensors } from '../../core/tensor.js'
import { recordFrames } from '../support/frame-records.js'
import { CellStream } from './matrix/cell-stream.js'
import { type LastWords, type ProgramWish } from './program-wish.js'

/**
 * A user's program that is killed and started again: it streams frames through a pipeline with a journal, goes on in its
 * source where the journal says, and writes down all that comes of them. It prints a line when it is connected.
 */
const wish = JSON.parse(process.argv[2] ?? '{}') as ProgramWish
const { stream, until } = wish
const cluster = await connect(wish.url, { journal: wish.journal })
const pipeline = await cluster.pipeline(wish.pipeline)
recordFrames(pipeline, wish.record)
const plan = await firstValueFrom(pipeline.plan$)
const first = pipeline.nextSequence(stream)
process.stdout.write(`from ${first}\n`)
await (until === 'full' ? dieWhenFull() : goOn(pipeline, until))
await cluster.close()

function frame(sequence: number): Tensors {
  return syntheticFrame(plan.inputs, wish.seed, sequence % wish.distinct)
}

async function goOn(pipeline: Pipeline, total: number): Promise<void> {
  const frames: PacedFrames<Tensors> = new PacedFrames(i => {
    if (first + i >= total - 1) frames.stop()
    return frame(first + i)
  })
  if (first >= total) frames.stop()
  if (wish.fps !== undefined) frames.pace(wish.fps)
  const flow = pipeline.pull(frames.source()).pipe(pipeline.infer({ stream }))
  await lastValueFrom(flow, { defaultValue: undefined })
}

async function dieWhenFull(): Promise<void> {
  // What is right is found out by whoever reads the record.
  const frames = { frame, answer: () => ({}) }
  const cell = new CellStream({ pipeline, plan, stream, frames })
  const fps = await cell.warmUp()
  await cell.strikeWhenFull({
    now: () => {
      const words: LastWords = { fps, at: performance.timeOrigin + performance.now() }
      process.stdout.write(`${JSON.stringify(words)}\n`)
      process.kill(process.pid, 'SIGKILL')
      return undefined
    },
  })
}
