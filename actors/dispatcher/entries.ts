import { type Plan } from '../../core/control.js'
import { type Link } from '../../core/link.js'
import { Entry } from './entry.js'
import { type InFlight } from './in-flight.js'

/** Frames of an epoch before that are to come to their end there have so long; then they are sent again. */
const DRAIN_MS = 5_000

/** Under which plans a dispatcher's frames are. */
export interface Epochs {
  /** Of the plan in force, under which it sends. */
  readonly epoch: number
  /** Older ones, under which frames are still under way, oldest first. */
  readonly draining: readonly number[]
}

interface Draining {
  readonly entry: Entry
  readonly until: number
}

/** The way in under the plan in force, and those of plans before it under which frames are still under way. */
export class Entries {
  private newest: Entry
  private draining: Draining[] = []

  /** @throws PIPELINE_FAILED: the plan has no stage */
  constructor(
    plan: Plan,
    private readonly link: Link,
  ) {
    this.newest = new Entry(plan, link)
  }

  get current(): Entry {
    return this.newest
  }

  get epochs(): Epochs {
    return { epoch: this.newest.epoch, draining: this.draining.map(({ entry }) => entry.epoch) }
  }

  /** The one of an epoch whose results count. */
  under(epoch: number | undefined): Entry | undefined {
    if (epoch === this.newest.epoch) return this.newest
    return this.draining.find(({ entry }) => entry.epoch === epoch)?.entry
  }

  /** How many frames may be under way, with those that are. The older ones take none of the larger window's room. */
  credits(underWay: InFlight): number {
    const own = this.newest.credits
    if (this.draining.length === 0) return own
    const largest = Math.max(own, ...this.draining.map(({ entry }) => entry.credits))
    const { epoch } = this.newest
    const older = underWay.all().filter(sent => sent.epoch !== undefined && sent.epoch !== epoch)
    return Math.min(largest, own + older.length)
  }

  /**
   * @returns epochs whose frames are to be sent again; undefined where the plan is not newer than the one in force, so that
   *   it changes nothing (promise 7)
   */
  adopt(plan: Plan, now: number): readonly number[] | undefined {
    const before = this.newest
    // Epochs grow within a term, and begin anew with one that found nothing retained.
    const { term, epoch } = before.plan
    if (plan.term < term || (plan.term === term && plan.epoch <= epoch)) return undefined
    this.newest = new Entry(plan, this.link)
    this.draining.push({ entry: before, until: now + DRAIN_MS })
    // Results say their epoch only: under one that is used again, old and new could not be told apart.
    const again = this.draining.some(({ entry }) => plan.epoch <= entry.epoch)
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
    void this.newest.close()
  }

  private retire(test: (draining: Draining) => boolean): readonly number[] {
    const retired = this.draining.filter(test)
    this.draining = this.draining.filter(draining => !retired.includes(draining))
    for (const { entry } of retired) void entry.close()
    return retired.map(({ entry }) => entry.epoch)
  }
}
