import { Subject } from 'rxjs'
import { type Bus } from '../../core/bus.js'
import { decodeControl, Leader, LeaderBeat } from '../../core/control/index.js'
import { FailureDetector } from '../../core/failure-detector.js'
import { OwnPauses } from '../../core/own-pauses.js'
import { levelsBelow, type Topics } from '../../core/topics.js'
import { type Silence } from './registry.js'
import { LEADER_BEAT_MS } from './leadership.js'

const JUDGE_MS = 100
/** A broker gives what it retained at once; where it gives nothing there is no leader. */
const SETTLE_MS = 500

/**
 * Watches the leader from a connection of its own, and resolves when there is none: nobody leads, the leader's connection
 * has ended (which ends its leadership), or it has been silent for so long that it must count as dead (decision D5).
 * @throws the reason of `signal`
 */
export async function leaderGone(
  bus: Bus,
  topics: Topics,
  silence: Silence,
  signal: AbortSignal,
): Promise<void> {
  const gone = new Subject<void>()
  const watch = new LeaderWatch(silence, () => gone.next())
  const subscriptions = [
    await bus.subscribe(topics.supervisor.leader, ({ payload }) => watch.leads(payload), { qos: 1 }),
    await bus.subscribe(topics.supervisor.beat, ({ payload }) => watch.beats(payload)),
    await bus.subscribe(topics.supervisor.deaths, ({ topic }) => {
      watch.died(levelsBelow(topics.root, topic)?.[2])
    }),
  ]
  let timer: NodeJS.Timeout | undefined
  let abort: () => void = () => undefined
  try {
    await new Promise<void>((resolve, reject) => {
      abort = () => reject(signal.reason instanceof Error ? signal.reason : new Error('stopped'))
      signal.addEventListener('abort', abort)
      if (signal.aborted) abort()
      gone.subscribe(() => resolve())
      timer = setInterval(() => watch.judge(), JUDGE_MS)
    })
  } finally {
    clearInterval(timer)
    signal.removeEventListener('abort', abort)
    await Promise.all(subscriptions.map(one => one.close().catch(() => undefined)))
  }
}

/** What is known of the leader. */
class LeaderWatch {
  private leader: Leader | undefined
  private detector: FailureDetector
  private readonly pauses = new OwnPauses(JUDGE_MS, performance.now())
  private readonly settledAt = performance.now() + SETTLE_MS

  constructor(
    private readonly silence: Silence,
    private readonly onGone: () => void,
  ) {
    this.detector = this.fresh()
  }

  leads(payload: Uint8Array): void {
    const leader = decodeControl(Leader, payload)
    if (leader === undefined || leader.term < (this.leader?.term ?? 0)) return
    this.leader = leader
    this.detector = this.fresh()
  }

  beats(payload: Uint8Array): void {
    const beat = decodeControl(LeaderBeat, payload)
    if (beat !== undefined && beat.term === this.leader?.term) this.detector.heard(performance.now())
  }

  died(supervisor: string | undefined): void {
    if (supervisor !== undefined && supervisor === this.leader?.supervisor) this.onGone()
  }

  judge(): void {
    const now = performance.now()
    this.detector.excuse(this.pauses.lastMs(now))
    if (this.leader === undefined ? now > this.settledAt : this.detector.isSuspect(now)) this.onGone()
  }

  private fresh(): FailureDetector {
    const { acceptablePauseMs, deadAfterMs } = this.silence
    const settings = { expectedMs: LEADER_BEAT_MS, acceptablePauseMs, mostMs: deadAfterMs }
    return new FailureDetector(settings, performance.now())
  }
}
