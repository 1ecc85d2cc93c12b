import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromBinary } from '@bufbuild/protobuf'
import { InferenceSession } from 'onnxruntime-node'
import { ModelProtoSchema } from '../../core/graph/proto/onnx_pb.js'

/** `extended` is fusion alone; `all`, which is how parts are run, works in blocks of channels too. */
export type Level = 'extended' | 'all'

/**
 * How often each operator is in what ONNX Runtime makes of `models` together. Changes of layout at the borders of a model
 * are not counted.
 */
export async function optimizedOperators(
  models: readonly Uint8Array[],
  level: Level,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for (const model of models) {
    for (const operator of await operatorsOf(model, level))
      counts.set(operator, (counts.get(operator) ?? 0) + 1)
  }
  return counts
}

async function operatorsOf(model: Uint8Array, level: Level): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-optimized-'))
  const optimizedModelFilePath = join(folder, 'optimized.onnx')
  try {
    const session = await InferenceSession.create(model, {
      optimizedModelFilePath,
      graphOptimizationLevel: level,
      intraOpNumThreads: 1,
      // It warns that such a file is for this machine alone.
      logSeverityLevel: 4,
    })
    await session.release()
    const { graph } = fromBinary(ModelProtoSchema, await readFile(optimizedModelFilePath))
    const operators = graph?.node.map(({ opType }) => opType) ?? []
    return operators.filter(operator => operator !== 'ReorderInput' && operator !== 'ReorderOutput')
  } finally {
    await rm(folder, { recursive: true })
  }
}

export function totalOf(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0)
}

/** Operators of which there are more in `parts`, and how many more. */
export function surplus(
  parts: ReadonlyMap<string, number>,
  whole: ReadonlyMap<string, number>,
): Record<string, number> {
  const more = [...parts].map(([operator, count]) => [operator, count - (whole.get(operator) ?? 0)] as const)
  return Object.fromEntries(more.filter(([, count]) => count > 0))
}
