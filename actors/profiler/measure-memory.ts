import { type Growth } from '../../core/costs/index.js'
import { ThreadedSession } from '../session/index.js'
import { sampleFrame } from './sample-frame.js'

const RUNS = 3

/** How much this process grows when a model is loaded as a stage has it: from its file, in a thread of its own. */
export async function measureMemory(model: string): Promise<Growth> {
  const beforeBytes = process.memoryUsage.rss()
  const session = await ThreadedSession.open({ model })
  try {
    const feeds = sampleFrame(session.inputs)
    for (let run = 0; run < RUNS; run++) await session.run(feeds)
    return { beforeBytes, afterBytes: process.memoryUsage.rss() }
  } finally {
    await session.close()
  }
}
