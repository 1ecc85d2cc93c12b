import { argMax, pipelineError, relativeError, TOLERANCES } from '../../../core/compare.js'
import { type Tensor, type Tensors } from '../../../core/tensor.js'
import { type Wire } from '../../../core/wire.js'
import { type ThreadedSession } from '../../session/index.js'

/** The largest relative error of a float32 pipeline (promise 9). */
export const TOLERANCE = TOLERANCES.f32
/** Outputs of different frames must differ by so many tolerances, or a comparison proves nothing (promise 9). */
export const DISTINCTION = 100

export type Verification =
  | {
      readonly checked: number
      readonly maxRelativeError: number
      readonly top1Agreement: number
      /** Relative error between the most similar outputs of two different frames. */
      readonly smallestDifference: number
    }
  | { readonly checked: 0; readonly refused: string }

/**
 * Compares predictions with what the uncut model gives for the same frames.
 * @param frames  at least two, all different
 * @param wire  the pipeline's
 */
export async function verify(
  reference: ThreadedSession,
  frames: readonly { readonly tensors: Tensors; readonly outputs: Tensors }[],
  wire: Wire = 'f32',
): Promise<Verification> {
  const expected: Tensors[] = []
  for (const { tensors } of frames) expected.push(await reference.run(copyOf(tensors)))
  const smallestDifference = closest(expected)
  if (!(smallestDifference >= DISTINCTION * TOLERANCE)) {
    const refused = `the outputs of different frames differ by ${smallestDifference.toExponential(1)} only: equal answers prove nothing`
    return { checked: 0, refused }
  }
  const errors = frames.map(({ outputs }, i) => pipelineError(outputs, expected[i] ?? {}, wire))
  const agreeing = frames.filter(({ outputs }, i) => sameTop(outputs, expected[i] ?? {}))
  return {
    checked: frames.length,
    maxRelativeError: Math.max(...errors),
    top1Agreement: agreeing.length / frames.length,
    smallestDifference,
  }
}

/** The relative error between the two that are most alike; 0 where there is one only. */
export function closest(outputs: readonly Tensors[]): number {
  let smallest = Infinity
  for (const [i, a] of outputs.entries()) {
    for (const b of outputs.slice(i + 1)) smallest = Math.min(smallest, relativeError(a, b))
  }
  return Number.isFinite(smallest) ? smallest : 0
}

function sameTop(actual: Tensors, expected: Tensors): boolean {
  return Object.entries(expected).every(([name, value]) => {
    const other = actual[name]
    return other !== undefined && argMax(other) === argMax(value)
  })
}

/** The frame is still the dispatcher's, and a message to a thread may take its buffers. */
function copyOf(tensors: Tensors): Tensors {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, value]): [string, Tensor] => [name, { ...value }]),
  )
}
