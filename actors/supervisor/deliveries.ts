import { type ActorProgress, type Beat, type Plan } from '../../core/control/index.js'
import { type WorkerRegistry } from './registry.js'

/** What the processors on both ends do takes some of that, whatever the link is; and short messages may wait in no queue. */
const LEAST_MS = 20
/** A link that is busy for so much of the time that a frame may take could be what holds the others up. */
const BUSY = 0.8
/** Frames that a stage has beside the one that it runs where it does not wait for its link. */
const WAITING = 2

/**
 * Judges by what workers tell of their messages whether links are otherwise than they were measured. One that does more is
 * believed where messages take longer than a queue on the way could hide, and measured otherwise. One that does less may only
 * have had a busy receiver: it is believed where it takes about as long for a frame as the plan allows, and the stage behind
 * it has nothing else to do.
 */
export class Deliveries {
  constructor(
    private readonly registry: WorkerRegistry,
    private readonly plans: () => Iterable<Plan>,
  ) {}

  beaten({ worker, actors }: Beat): void {
    for (const actor of actors) {
      for (const { to, mbps, ms, agoMs } of actor.deliveries ?? []) {
        const { links } = this.registry
        links.used(worker, to)
        const known = links.of(worker, to)
        // Fast enough by either figure: how fast is no matter.
        if (known === undefined || Math.max(ms, (ms * mbps) / known) < LEAST_MS) continue
        const isSure = ms >= LEAST_MS && (mbps > known || this.holdsUp(actor, to, ms))
        links.delivered(worker, to, { mbps, isSure, agoMs })
      }
    }
  }

  private holdsUp({ pipeline, epoch, stage, replica }: ActorProgress, to: string, ms: number): boolean {
    const plan = [...this.plans()].find(one => one.pipeline === pipeline && one.epoch === epoch)
    const frameMs = plan?.predicted?.bottleneckMs
    if (plan === undefined || frameMs === undefined) return false
    const share = shareOf(plan, stage, one => one.replica === replica)
    const taken = shareOf(plan, stage + 1, one => one.worker === to)
    const next = this.registry.get(to)?.beat.actors.filter(one => {
      return one.pipeline === pipeline && one.epoch === epoch && one.stage === stage + 1
    })
    const isIdle = next?.every(({ waiting }) => waiting <= WAITING) === true
    return isIdle && ms * share * taken >= BUSY * frameMs
  }
}

/** The part of a stage's frames that some of its replicas take. */
function shareOf({ stages }: Plan, stage: number, isMeant: (one: Plan['stages'][number]) => boolean): number {
  const all = stages.filter(one => one.stage === stage)
  const sum = (some: Plan['stages']) => some.reduce((total, { weight }) => total + weight, 0)
  return sum(all.filter(isMeant)) / sum(all)
}
