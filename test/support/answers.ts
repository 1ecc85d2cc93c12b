import { type OnnxSession, openSession } from '../../actors/session/index.js'
import { relativeError } from '../../core/compare.js'
import { syntheticFrame } from '../../core/synthetic/index.js'
import { type Tensors } from '../../core/tensor.js'

/** What `session` answers to the first `count` synthetic frames of `seed`. */
export async function answersTo(session: OnnxSession, seed: number, count: number): Promise<Tensors[]> {
  const answers: Tensors[] = []
  for (let i = 0; i < count; i++) answers.push(await session.run(syntheticFrame(session.inputs, seed, i)))
  return answers
}

/** The same of a model that is loaded and released for it. */
export async function modelAnswers(model: Uint8Array, seed: number, count: number): Promise<Tensors[]> {
  const session = await openSession(model)
  try {
    return await answersTo(session, seed, count)
  } finally {
    await session.release()
  }
}

/** What a model that is loaded and released for it answers to these frames. */
export async function answersOf(model: Uint8Array, frames: readonly Tensors[]): Promise<Tensors[]> {
  const session = await openSession(model)
  try {
    const answers: Tensors[] = []
    for (const frame of frames) answers.push(await session.run(frame))
    return answers
  } finally {
    await session.release()
  }
}

/** The relative error between the two answers that are most alike. */
export function leastDifference(answers: readonly Tensors[]): number {
  let least = Infinity
  for (const [i, a] of answers.entries()) {
    for (const [j, b] of answers.entries()) if (i !== j) least = Math.min(least, relativeError(a, b))
  }
  return least
}
