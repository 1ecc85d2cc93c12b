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
/** A message that takes not much longer than one of a quarter of it says nothing of its bytes: both waited for something else. */
const CLEARLY = 2
/** One that takes so many times as long was late: its bytes make no more than four of it. */
const LATE = 2 * GROWTH
const ROUNDS = 3
/** Of the largest messages, which nothing checks; all are sent. */
const LAST_ROUNDS = 4
/** A figure is believed when a much larger message takes at least so much of what it should take by it, and not more by as much. */
const BELIEVABLE = 0.6
/** Of a link, that one message may take (decision D11). */
const MOST_MESSAGE_MS = 250
/** A message that is no larger than so many times checks nothing. */
const LEAST_CHECK = 1.5
const BUDGET_MS = 500
/** Where machines are so busy that messages do not tell until then. */
const MOST_MS = 2_000

/**
 * Measures a link with a few messages: what a large one takes longer than a quarter of it is its bytes'. They grow until
 * one takes 20 ms, and clearly longer than a quarter of it, and an even larger one takes as much longer as that lets
 * expect: under a quota of the processor, messages wait for longer than many links take for them. After half a
 * second each is sent again only where it was late, and after two seconds they do not grow.
 * @param time  milliseconds that a message of so many bytes takes until its arrival is known
 */
export async function measureLink(
  time: (bytes: number) => Promise<number>,
  { mostBytes, passes }: LinkLimits,
  now: () => number = () => performance.now(),
): Promise<LinkFigure> {
  // The first one has to find its way through cold code on both sides.
  await time(1)
  const startedAt = now()
  const rttMs = Math.min(await time(1), await time(1))
  const mbps = (byteCount: number, ms: number) => (passes * byteCount * 8) / 1e3 / ms
  let bytes = Math.min(FIRST_BYTES, mostBytes)
  for (;;) {
    const isLast = bytes >= mostBytes || now() > startedAt + MOST_MS
    const { small, large } = await leastOf(time, bytes, {
      grows: !isLast,
      rounds: bytes >= mostBytes ? LAST_ROUNDS : ROUNDS,
      inTime: () => bytes >= mostBytes || now() < startedAt + BUDGET_MS,
    })
    const isLong = large >= MOST_MESSAGE_MS
    if (isLast || isLong || (large >= ENOUGH_MS && large - rttMs >= CLEARLY * (small - rttMs))) {
      const ms = large - small
      // On the fastest links, or where there was no time for more, only that it is at least so fast.
      const figure = ms > 0 ? mbps(bytes * (1 - 1 / GROWTH), ms) : mbps(bytes, large)
      const more = Math.min(GROWTH, MOST_MESSAGE_MS / large, mostBytes / bytes)
      if (isLast || isLong || more < LEAST_CHECK) return { mbps: figure, rttMs }
      if (await isBorneOut(time, Math.floor(more * bytes), { rttMs, msOf: size => mbps(size, figure) }))
        return { mbps: figure, rttMs }
    }
    bytes = Math.min(bytes * GROWTH, mostBytes)
  }
}

/** Whether a larger message takes about as long as a figure lets expect: what is on the way besides may have held the others up. */
async function isBorneOut(
  time: (bytes: number) => Promise<number>,
  bytes: number,
  { rttMs, msOf }: { readonly rttMs: number; readonly msOf: (bytes: number) => number },
): Promise<boolean> {
  const expectedMs = msOf(bytes)
  const mostMs = rttMs + expectedMs / BELIEVABLE
  let ms = await time(bytes)
  if (ms > mostMs) ms = Math.min(ms, await time(bytes))
  return ms >= BELIEVABLE * expectedMs && ms <= mostMs
}

interface Sending {
  readonly grows: boolean
  readonly rounds: number
  /** Whether to send again what was not late. */
  readonly inTime: () => boolean
}

/**
 * The least times of messages of so many bytes and of a quarter of them: one may be late by chance, so no single one decides.
 * Of a size that is to grow anyway, only one of the larger is sent.
 */
async function leastOf(
  time: (bytes: number) => Promise<number>,
  bytes: number,
  { grows, rounds, inTime }: Sending,
): Promise<{ readonly small: number; readonly large: number }> {
  const least = { small: Infinity, large: await time(bytes) }
  for (
    let round = 0;
    round < rounds && (inTime() || least.large > LATE * least.small || round === 0);
    round++
  ) {
    if (grows && least.large < ENOUGH_MS) break
    least.small = Math.min(least.small, await time(bytes / GROWTH))
    least.large = Math.min(least.large, await time(bytes))
  }
  return least
}
