/** What a link was measured to do. */
export interface LinkFigure {
  /** 10^6 bit/s. */
  readonly mbps: number
  /** Of a small message, there and back. */
  readonly rttMs: number
}

export interface LinkLimits {
  readonly mostBytes: number
  /** How often the bytes of a message go over the link: once, or there and back. */
  readonly passes: 1 | 2
}

/** Takes a link of 0.1 Mbit/s a third of a second. */
const FIRST_BYTES = 4 * 1024
const GROWTH = 4
/** With this the timers and turns of both machines hardly show, and even after the next growth it is no long time. */
const ENOUGH_MS = 20
const ROUNDS = 3
const BUDGET_MS = 500

/**
 * Measures a link with a few messages: what a large one takes longer than a quarter of it is its bytes'. They grow until
 * one takes 20 ms, so that none takes much longer; no message leaves after half a second.
 * @param time  milliseconds that a message of so many bytes takes until its arrival is known
 */
export async function measureLink(
  time: (bytes: number) => Promise<number>,
  { mostBytes, passes }: LinkLimits,
): Promise<LinkFigure> {
  const endAt = performance.now() + BUDGET_MS
  // The first one has to find its way through cold code on both sides.
  await time(1)
  const rttMs = Math.min(await time(1), await time(1))
  const inTime = () => performance.now() < endAt
  let bytes = Math.min(FIRST_BYTES, mostBytes)
  let least = { small: Infinity, large: await time(bytes) }
  for (;;) {
    const isLast = bytes >= mostBytes
    // A message may be late by chance: it is the least of several that has to be enough.
    for (let round = 0; round < ROUNDS && inTime() && (isLast || least.large >= ENOUGH_MS); round++) {
      least.small = Math.min(least.small, await time(bytes / GROWTH))
      least.large = Math.min(least.large, await time(bytes))
    }
    if (isLast || !inTime() || least.large >= ENOUGH_MS) break
    bytes = Math.min(bytes * GROWTH, mostBytes)
    least = { small: Infinity, large: await time(bytes) }
  }
  const mbps = (byteCount: number, ms: number) => (passes * byteCount * 8) / 1e3 / ms
  const ms = least.large - least.small
  // On the fastest links, or where there was no time for more, only that it is at least so fast.
  return { mbps: ms > 0 ? mbps(bytes * (1 - 1 / GROWTH), ms) : mbps(bytes, least.large), rttMs }
}
