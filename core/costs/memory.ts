import { type MemoryCosts } from './costs.js'

/** A runtime process before and after it loaded a model, in resident bytes. */
export interface Growth {
  readonly beforeBytes: number
  readonly afterBytes: number
}

/** Less than this grows a process by chance. */
const CERTAIN_BYTES = 2 ** 20

/**
 * What a process takes, what a session adds to it, and what each byte of its weights does.
 * @param tiny  with a model next to nothing
 * @param whole  with the model that has such weights and activations, in bytes
 */
export function memoryCosts(
  tiny: Growth,
  whole: Growth,
  { weightBytes, activationBytes }: { readonly weightBytes: number; readonly activationBytes: number },
): MemoryCosts {
  const sessionBytes = Math.max(0, tiny.afterBytes - tiny.beforeBytes)
  const forWeights = whole.afterBytes - whole.beforeBytes - sessionBytes - activationBytes
  return {
    processBytes: Math.min(tiny.beforeBytes, whole.beforeBytes),
    sessionBytes,
    // Weights are there once at least; of a few bytes the factor would be that of chance.
    weightFactor: weightBytes < CERTAIN_BYTES ? 1 : Math.max(1, forWeights / weightBytes),
  }
}
