import { stat } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'

const LOOK_MS = 250
/** What is being written changes more often than this. */
const SETTLED_MS = 1_000

/**
 * Waits for files to be other than they were, and then to stay as they are for a second; whether they are written in
 * place or others are moved to where they are.
 * @param before  what was returned the last time; '' is other than all
 * @returns what tells this state from others; files that are not there have one too
 * @throws the signal's reason
 */
export async function nextState(
  files: readonly string[],
  before: string,
  signal: AbortSignal,
): Promise<string> {
  let seen = ''
  let since = 0
  for (;;) {
    const state = await stateOf(files)
    if (state !== seen) since = performance.now()
    seen = state
    if (state !== before && performance.now() - since >= SETTLED_MS) return state
    await setTimeout(LOOK_MS, undefined, { signal })
  }
}

async function stateOf(files: readonly string[]): Promise<string> {
  const states = files.map(async file => {
    try {
      const { ino, size, mtimeNs } = await stat(file, { bigint: true })
      return [file, String(ino), String(size), String(mtimeNs)]
    } catch {
      return [file]
    }
  })
  return JSON.stringify(await Promise.all(states))
}
