import { type Plan } from '../../core/control/index.js'
import { type Link } from '../../core/link.js'
import { isCanaryFrame, isNewer } from '../../core/versions.js'
import { Entry } from './entry.js'
import { type InFlight, type SentFrame } from './in-flight.js'

/** Frames of an epoch before that are to come to their end there have so long; then they are sent again. */
const DRAIN_MS = 5_000

/** Under which plans a dispatcher's frames are. */
export interface Epochs {
  /** Of the plan in force, under which it sends. */
  readonly epoch: number
  /** Of the version that is tried beside it, where there is one. */
  readonly canary?: number
  /** Older ones, under which frames are still under way, oldest first. */
  readonly draining: readonly number[]
}

interface Canary {
  readonly entry: Entry
  readonly share: number
}

interface Draining {
  readonly entry: Entry
  readonly until: number
}

/** The ways in under the plan in force, and those of plans before it under which frames are still under way. */
export class Entries {
  private main: Entry
  private canary: Canary | undefined
  private draining: Draining[] = []

  /** @throws PIPELINE_FAILED: the plan has no stage */
  constructor(
    private newest: Plan,
    private readonly link: Link,
  ) {
    this.main = new Entry(newest, link)
    this.canary = this.canaryOf(newest, [])
  }

  get plan(): Plan {
    return this.newest
  }

  get epochs(): Epochs {
    const canary = this.canary === undefined ? {} : { canary: this.canary.entry.epoch }
    return { epoch: this.main.epoch, ...canary, draining: this.draining.map(({ entry }) => entry.epoch) }
  }

  /** The one of an epoch whose results count. */
  under(epoch: number | undefined): Entry | undefined {
    const old = this.draining.map(({ entry }) => entry)
    return [...this.inForce, ...old].find(entry => entry.epoch === epoch)
  }

  /** The one that a frame takes: that which it took before, while it is in force. */
  wayOf({ epoch, identity, keepsToMain }: SentFrame): Entry {
    const { main, canary } = this
    if (canary === undefined || keepsToMain || epoch === main.epoch) return main
    const isTried = epoch === canary.entry.epoch || isCanaryFrame(identity.sequence, canary.share)
    return isTried ? canary.entry : main
  }

  /** Whether a frame was last sent to the version that is tried. */
  isTried({ epoch }: SentFrame): boolean {
    return this.canary !== undefined && epoch === this.canary.entry.epoch
  }

  /** Whether there is a credit for another frame, behind so many that wait; on each way, as it is not known which is next. */
  hasRoom(underWay: InFlight, waiting: number): boolean {
    const { canary } = this
    const tried = canary === undefined ? 0 : underWay.all().filter(sent => this.isTried(sent)).length
    if (canary !== undefined && tried >= canary.entry.credits) return false
    return underWay.size - tried + waiting < this.credits(underWay)
  }

  /**
   * @returns epochs whose frames are to be sent again; undefined where the plan is not newer than the one in force, so that
   *   it changes nothing (promise 7)
   */
  adopt(plan: Plan, now: number): readonly number[] | undefined {
    if (!isNewer(plan, this.newest)) return undefined
    const before = this.inForce
    this.newest = plan
    this.main = this.entryOf(plan, before)
    this.canary = this.canaryOf(plan, before)
    const left = before.filter(entry => !this.inForce.includes(entry))
    this.draining.push(...left.map(entry => ({ entry, until: now + DRAIN_MS })))
    // Epochs begin anew with a term that found nothing retained. Results say their epoch only: under one that is used
    // again, old and new could not be told apart.
    const again = this.draining.some(({ entry }) => plan.term > entry.plan.term && plan.epoch <= entry.epoch)
    return plan.handover === 'replay' || again ? this.retire(() => true) : []
  }

  /** @returns older epochs that have had their time, whose frames are to be sent again */
  giveUp(now: number): readonly number[] {
    return this.retire(({ until }) => until <= now)
  }

  /** Leaves the older epochs that no frame is under way in. */
  settle(underWay: InFlight): void {
    if (this.draining.length === 0) return
    const epochs = new Set(underWay.all().map(({ epoch }) => epoch))
    this.retire(({ entry }) => !epochs.has(entry.epoch))
  }

  close(): void {
    this.retire(() => true)
    for (const entry of this.inForce) void entry.close()
  }

  private get inForce(): Entry[] {
    return this.canary === undefined ? [this.main] : [this.main, this.canary.entry]
  }

  private canaryOf({ canary }: Plan, known: readonly Entry[]): Canary | undefined {
    return canary && { entry: this.entryOf(canary.plan, known), share: canary.share }
  }

  /** One that is there goes on. */
  private entryOf(plan: Plan, known: readonly Entry[]): Entry {
    const isIt = (entry: Entry) => entry.epoch === plan.epoch && entry.plan.term === plan.term
    return known.find(isIt) ?? new Entry(plan, this.link)
  }

  /** How many of the frames under way may be of streams that want their newest frames. */
  get freshCredits(): number {
    return this.inForce.reduce((sum, entry) => sum + entry.freshCredits, 0)
  }

  /** How many frames may be under way, but for those that are tried. The older ones take none of the larger window's room. */
  private credits(underWay: InFlight): number {
    const own = this.main.credits
    if (this.draining.length === 0) return own
    const largest = Math.max(own, ...this.draining.map(({ entry }) => entry.credits))
    const older = underWay.all().filter(({ epoch }) => {
      return epoch !== undefined && this.inForce.every(entry => entry.epoch !== epoch)
    })
    return Math.min(largest, own + older.length)
  }

  private retire(test: (draining: Draining) => boolean): readonly number[] {
    const retired = this.draining.filter(test)
    this.draining = this.draining.filter(draining => !retired.includes(draining))
    for (const { entry } of retired) void entry.close()
    return retired.map(({ entry }) => entry.epoch)
  }
}
