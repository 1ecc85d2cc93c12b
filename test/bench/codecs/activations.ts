import { readFile } from 'node:fs/promises'
import { openSession } from '../../../actors/session/index.js'
import { cutCandidates } from '../../../core/planner/index.js'
import { type Tensor, type Tensors } from '../../../core/tensor.js'
import { frameFor, openGraph } from '../../support/chains.js'
import { runChain, type RunPartition } from '../../support/onnx-runner.js'

/** The float32 tensors that cross the cuts of a model, frame by frame, one message for each cut. */
export async function activationsOf(
  path: string,
  partitions: number,
  frames: number,
  given?: readonly Tensors[],
): Promise<Tensors[]> {
  const { graph, cut } = await openGraph(await readFile(path))
  // As plans mostly do: where one tensor crosses, which in residual networks is between two blocks.
  const candidates = cutCandidates(graph, partitions).filter(
    index => graph.positions[index - 1]?.crossing.length === 1,
  )
  const cuts = Array.from({ length: partitions - 1 }, (_, i) => {
    return candidates[Math.floor(((i + 1) * candidates.length) / partitions)] ?? 0
  })
  const parts = cut([...new Set(cuts)])
  const sessions = new Map(
    await Promise.all(parts.map(async part => [part, await openSession(part.model)] as const)),
  )
  const run: RunPartition = async (part, feeds) => (await sessions.get(part)?.run(feeds)) ?? {}
  const messages: Tensors[] = []
  for (let i = 0; i < frames; i++) {
    const feeds = given?.[i] ?? frameFor(graph, 1, i)
    await runChain(parts, feeds, run, (sent, part) => {
      if (part !== parts.at(-1)) messages.push(Object.fromEntries(Object.entries(sent).filter(isFloat)))
    })
  }
  for (const session of sessions.values()) await session.release()
  return messages
}

function isFloat([, { dtype }]: readonly [string, Tensor]): boolean {
  return dtype === 'float32'
}
