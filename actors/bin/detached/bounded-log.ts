import { copyFile, stat, truncate } from 'node:fs/promises'

/** The log, and once more as much of what came before it. */
export const LOG_BYTES = 1_000_000
const LOOK_MS = 1_000

/**
 * Looks after a log that several processes append to through the descriptor that they were started with: whenever it is
 * larger than `maxBytes`, it becomes the file beside it with `.1` at the end, and begins anew.
 * @returns how that is ended
 */
export function boundLog(path: string, maxBytes = LOG_BYTES, lookMs = LOOK_MS): () => void {
  let busy = false
  const look = async () => {
    const { size } = await stat(path)
    if (size <= maxBytes) return
    // Renamed, it would go on growing under the other name.
    await copyFile(path, `${path}.1`)
    await truncate(path)
  }
  const timer = setInterval(() => {
    if (busy) return
    busy = true
    // A full disk, or a log that somebody removed: it is looked after again when that is over.
    void look()
      .catch(() => undefined)
      .finally(() => (busy = false))
  }, lookMs)
  return () => clearInterval(timer)
}
