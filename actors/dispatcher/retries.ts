import { Recent } from '../../core/recent.js'
import { type SentFrame } from './in-flight.js'

/** A frame is waited for so long at least. */
const LEAST_MS = 1_500
/** And so many times as long as almost all take, */
const TIMES_P99 = 4
/** but no longer than a share of the time that it has, so that sending it again can still help. */
const DEADLINE_SHARE = 1 / 4
const MOST_BACKOFF = 16

/**
 * Which frames are sent again because no result came: what was in a connection that broke, or in a process that ended, is
 * gone, and nobody says so. A pipeline that is merely slow must not be sent everything twice. So a frame whose turn others
 * have overtaken is sent again by itself; where nothing comes at all, one frame at a time tries the way, less and less
 * often, until something comes.
 */
export class Retries {
  private readonly recent = new Recent()
  private p99 = 0
  private backoff = 1
  private tries = 0
  private nextTryAt = -Infinity

  /** A frame's prediction has come. */
  answered({ sentAt, copies }: SentFrame, now: number): void {
    this.tries = 0
    this.nextTryAt = -Infinity
    if (copies > 1) return
    this.recent.record(now - sentAt, now)
    this.backoff = 1
  }

  /** A second result came: the frame had only been late. */
  needless(): void {
    this.backoff = Math.min(this.backoff * 2, MOST_BACKOFF)
  }

  /**
   * @param frames  those that were sent, oldest first
   * @param isOvertaken  whether a frame that was sent later has been answered
   * @returns those to be sent again now
   */
  due(
    frames: readonly SentFrame[],
    now: number,
    isOvertaken: (sent: SentFrame) => boolean,
  ): readonly SentFrame[] {
    this.p99 = this.recent.summary(now).quantilesMs?.p99 ?? this.p99
    const late = frames.filter(sent => mayRetry(sent) && now >= this.lateAt(sent))
    const lost = late.filter(isOvertaken)
    if (lost.length > 0 || now < this.nextTryAt) return lost
    const fewest = Math.min(...late.map(({ retries }) => retries))
    const probe = late.find(({ retries }) => retries === fewest)
    if (probe === undefined) return []
    this.nextTryAt = now + this.patienceFor(probe) * 2 ** ++this.tries
    return [probe]
  }

  private lateAt(sent: SentFrame): number {
    return (sent.leftAt ?? Infinity) + this.patienceFor(sent) * 2 ** sent.retries
  }

  private patienceFor({ flow }: SentFrame): number {
    const most = Math.max(LEAST_MS, flow.options.deadlineMs * DEADLINE_SHARE)
    return Math.min(Math.max(LEAST_MS, TIMES_P99 * this.p99), most) * this.backoff
  }
}

export function mayRetry({ retries, flow }: SentFrame): boolean {
  return retries < flow.options.retries
}
