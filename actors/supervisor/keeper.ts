import {
  activationKeyOf,
  type DispatcherReport,
  type Order,
  type PipelineStatus,
  type Plan,
  type Spec,
} from '../../core/control/index.js'
import { type ErrorInfo, MillraceError } from '../../core/errors.js'
import { isNewer, versionsIn } from '../../core/versions.js'
import { type DeploymentParts } from './deployment-parts.js'
import { partsOf } from './deployment.js'
import { Dispatchers } from './dispatchers.js'
import { ActivationFailure, publishPlan } from './epoch.js'
import { failedOf, healthOf, isReady, type HealthParts, reasonOf, returnOf } from './health.js'
import { mend } from './mending.js'
import { TYPICAL_MEMORY } from './model-costs.js'
import { type Change, OneChange } from './one-change.js'
import { Paces } from './paces.js'
import { idOf, publishStatus } from './pipeline-status.js'
import { spareParts } from './prefetching.js'
import { Refusals } from './refusals.js'
import { Replanner } from './replanner.js'
import { type Proposal } from './replanning.js'
import { nextRevision, rollOut } from './rollout.js'
import { type ReplanParts } from './situation.js'
import { takenBytes } from './taken.js'
import { endedFor, withoutCanary } from './versions.js'

/** What a keeper works with; the supervisor's. */
export interface KeeperParts extends DeploymentParts, HealthParts {
  readonly onTrouble: (error: MillraceError) => void
}

/** How a deployment may have ended; one that has none of these is carried out anew by the next leader. */
const ENDED: readonly PipelineStatus['state'][] = ['ready', 'degraded', 'failed']

/**
 * Keeps one pipeline as its user wants it: carries out what is asked for, and brings what is in force there again when it
 * loses workers.
 */
export class PipelineKeeper {
  private plan: Plan | undefined
  private status: PipelineStatus | undefined
  private readonly change: OneChange
  private readonly refusals = new Refusals()
  /** In which mending failed: it is not tried again until something is otherwise. */
  private hopeless = ''
  /** For which plan and workers it was decided last what is to be fetched beforehand. */
  private spared = ''

  private readonly dispatchers = new Dispatchers()
  private readonly replanner: Replanner

  constructor(
    private readonly pipeline: string,
    private readonly parts: KeeperParts,
  ) {
    this.change = new OneChange(parts.onTrouble)
    this.replanner = new Replanner(() => this.mendParts(), parts.options, parts.onTrouble)
  }

  get inForce(): Plan | undefined {
    return this.plan
  }

  /** As retained, before this term. */
  onStatus(status: PipelineStatus): void {
    this.status = status
  }

  onPlan(plan: Plan): void {
    // What was published comes back, and may come late.
    if (this.plan !== undefined && isNewer(this.plan, plan)) return
    this.plan = plan
    // They may have to be cut anew when nobody is there who has them, and the one before may come back.
    const models = [...versionsIn(plan), ...(plan.previous === undefined ? [] : [plan.previous])]
    const parts = models.flatMap(({ model }) => partsOf(model).map(({ sha256 }) => sha256))
    this.track(this.parts.store.hold(`plan ${this.pipeline}`, parts))
  }

  onReport(report: DispatcherReport): void {
    this.dispatchers.take(report)
  }

  /** What has been done, or is being done, is not done again. */
  onWish(wish: Spec | Order): void {
    const { deployment } = wish
    if (this.change.carriesOut(deployment) || this.plan?.deployment === deployment) return
    const { status } = this
    const ended = status?.deployment === deployment && ENDED.includes(status.state)
    if (!ended) this.begin({ deployment, yields: false }, signal => this.rollOut(wish, signal))
  }

  /** Sees whether the plan in force still works, and mends it where it does not. */
  assess(): void {
    const { plan, change } = this
    if (plan === undefined) return
    if (change.isUrgent) return change.abandonNeedless()
    // A supervisor that has just begun to lead has not heard those that live.
    const workers = versionsIn(plan).flatMap(({ stages }) => stages.map(({ worker }) => worker))
    if (this.parts.registry.isSettling(new Set(workers))) return
    const error = healthOf(plan, this.parts)
    if (error === undefined) {
      if (this.status?.state === 'degraded') this.say(plan, 'ready')
      if (this.canaryFailure(plan) === undefined) return
      return this.begin({ deployment: undefined, yields: false }, () => this.endCanary())
    }
    const situation = this.situation()
    if (situation === this.hopeless) return
    this.say(plan, 'degraded', error)
    const isNeedless = error.code === 'WORKER_LOST' ? { isNeedless: returnOf(plan, this.parts) } : {}
    this.begin({ deployment: undefined, yields: false, ...isNeedless }, signal =>
      this.mend(situation, signal),
    )
  }

  /** Does what is not urgent; to be called from time to time. */
  tend(): void {
    this.assess()
    const { plan, change } = this
    if (plan === undefined || !change.isNone || this.status?.state !== 'ready') return
    // What two versions take of the workers changes with the next step of either.
    if (plan.canary === undefined) this.replanner.tend(plan, proposal => this.better(plan, proposal))
    const alive = this.parts.registry.alive().map(({ birth }) => [birth.worker, birth.incarnation])
    const known = JSON.stringify([plan.term, plan.epoch, alive])
    if (known === this.spared) return
    this.spared = known
    this.track(this.spare(plan))
  }

  /** What runs goes on running. */
  async stop(): Promise<void> {
    this.replanner.halt()
    await this.change.stop()
  }

  /** Takes everything of the pipeline away. */
  async undeploy(): Promise<void> {
    await this.stop()
    this.plan = undefined
    const { store, assignments, bus, topics } = this.parts
    await assignments.prefetch(this.pipeline, new Map())
    await store.hold(`plan ${this.pipeline}`, [])
    await assignments.remove(activation => activation.pipeline === this.pipeline)
    for (const topic of [topics.pipeline.plan(this.pipeline), topics.pipeline.status(this.pipeline)]) {
      await bus.publish(topic, new Uint8Array(), { qos: 1, retain: true })
    }
  }

  private begin(about: Change, work: (signal: AbortSignal) => Promise<void>): void {
    this.replanner.halt()
    // Workers may have come and gone meanwhile.
    this.change.begin(about, work, () => this.assess())
  }

  private async rollOut(wish: Spec | Order, signal: AbortSignal): Promise<void> {
    const circumstances = this.replanner.circumstances()
    const works = () => this.plan !== undefined && healthOf(this.plan, this.parts) === undefined
    const handover = () => (works() ? 'drain' : 'replay')
    try {
      const next = await rollOut(wish, { ...this.parts, inForce: () => this.plan, handover }, signal)
      this.onPlan(next)
      this.replanner.planned(circumstances)
      this.change.mayWait(signal)
      await this.leaveFor(next, signal)
    } catch (error) {
      if (signal.aborted) return
      const failure = MillraceError.from(error, 'PIPELINE_FAILED').toInfo()
      // Until now no plan may have come of it, and what was in force still is.
      const epoch = this.plan?.epoch ?? this.status?.epoch ?? 0
      await this.publish({ ...idOf(wish), state: 'failed', epoch, error: failure })
    }
  }

  /** Unless something else is being done by now. */
  private better(plan: Plan, proposal: Proposal): void {
    if (!this.change.isNone || this.plan?.epoch !== plan.epoch) return
    this.begin({ deployment: undefined, yields: true }, signal => this.switchTo(proposal, signal))
  }

  /** What was there goes on until dispatchers have left it: no frame is lost, and none waits. */
  private async switchTo(proposal: Proposal, signal: AbortSignal): Promise<void> {
    this.replanner.switched()
    try {
      const next = await proposal.load(signal)
      if (signal.aborted) return
      await publishPlan(this.parts, next)
      this.onPlan(next)
      this.say(next, 'ready')
      await this.leaveFor(next, signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  /** What was there before goes when dispatchers have left it; or with whatever is more urgent, and takes its place. */
  private async leaveFor(next: Plan, signal: AbortSignal): Promise<void> {
    if (next.handover === 'drain') await this.dispatchers.left(next, signal)
    if (!signal.aborted) await this.take(next)
  }

  private async mend(situation: string, signal: AbortSignal): Promise<void> {
    const { plan } = this
    if (plan === undefined) return
    const reason = reasonOf(healthOf(plan, this.parts))
    const ended = this.canaryFailure(plan)
    this.judge(plan)
    try {
      const { canary: _, ...alone } = plan
      const mended = await mend(ended === undefined ? plan : alone, reason, this.mendParts(), signal)
      this.replanner.mended(reason)
      await this.take(mended)
      this.say(mended, 'ready', ended)
    } catch (error) {
      if (signal.aborted) return
      const failure = MillraceError.from(error, 'PIPELINE_FAILED')
      if (failure instanceof ActivationFailure) {
        const kind = failure.code === 'RUNTIME_CRASHED' ? 'crashed loading' : 'failed'
        this.refusals.note(failure.worker, failure.activation, kind)
      } else this.hopeless = situation
      this.say(plan, 'degraded', failure.toInfo())
    }
  }

  /** A worker whose runtime has just crashed is not the first to be asked; what one runs that crashed earlier stays where it is. */
  private judge(plan: Plan): void {
    const failed = new Set(failedOf(plan, this.parts).map(({ key }) => key))
    for (const activation of this.parts.assignments.of(plan.pipeline, plan.epoch)) {
      const at = plan.stages.find(one => one.stage === activation.stage && one.replica === activation.replica)
      if (at === undefined) continue
      if (failed.has(activationKeyOf(activation))) this.refusals.note(at.worker, activation, 'crashed')
      else if (isReady(plan, at, this.parts.registry)) this.refusals.forgive(at.worker, activation)
    }
  }

  /** Why the version that is tried is to be tried no longer. */
  private canaryFailure({ canary }: Plan): ErrorInfo | undefined {
    const error = canary === undefined ? undefined : healthOf(canary.plan, this.parts)
    return error === undefined ? undefined : endedFor(error)
  }

  /** Its frames are sent again, to the version beside it. */
  private async endCanary(): Promise<void> {
    const error = this.plan === undefined ? undefined : this.canaryFailure(this.plan)
    if (this.plan === undefined || error === undefined) return
    const about = { reason: 'canary ended', handover: 'replay', revision: nextRevision(this.parts) } as const
    const next = withoutCanary(this.plan, about)
    await publishPlan(this.parts, next)
    await this.take(next)
    this.say(next, 'ready', error)
  }

  private mendParts(): ReplanParts {
    const { registry, slowdownOf, plans } = this.parts
    return {
      ...this.parts,
      ...this.refusals.checks(),
      paces: () => new Paces({ speedOf: worker => registry.speedOf(worker), slowdownOf }),
      takenBytes: (worker, { pipeline, epoch }) => {
        const isOwn = (plan: Plan) => plan.pipeline === pipeline && plan.epoch === epoch
        return takenBytes(worker, isOwn, plans(), TYPICAL_MEMORY.processBytes)
      },
    }
  }

  /** So that nothing need be fetched when a worker is lost. */
  private async spare(plan: Plan): Promise<void> {
    await this.parts.assignments.prefetch(this.pipeline, await spareParts(plan, this.mendParts()))
  }

  /** A new plan is in force: what came before, or was left half done by an earlier leader, goes. */
  private async take(plan: Plan): Promise<void> {
    this.onPlan(plan)
    this.hopeless = ''
    const epochs = versionsIn(plan).map(({ epoch }) => epoch)
    await this.parts.assignments.remove(one => one.pipeline === this.pipeline && !epochs.includes(one.epoch))
  }

  /** All that decides whether mending can succeed. */
  private situation(): string {
    const workers = this.parts.registry.alive().map(({ birth, actual }) => {
      const mine = actual?.activations.filter(({ pipeline }) => pipeline === this.pipeline) ?? []
      return [birth.worker, birth.incarnation, mine.map(one => [activationKeyOf(one), one.state])]
    })
    return JSON.stringify([workers, this.refusals.size])
  }

  private say(
    { pipeline, deployment, epoch, reason }: Plan,
    state: PipelineStatus['state'],
    error?: ErrorInfo,
  ): void {
    const { status } = this
    if (status?.state === state && status.epoch === epoch && status.error?.message === error?.message) return
    const why = state === 'degraded' ? reasonOf(error) : reason
    const about = { pipeline, deployment, epoch, state, ...(why === undefined ? {} : { reason: why }) }
    const next = { ...about, ...(error === undefined ? {} : { error }) }
    this.track(this.publish(next))
  }

  private async publish(status: PipelineStatus): Promise<void> {
    this.status = status
    await publishStatus(this.parts, status)
  }

  private track(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.parts.onTrouble(MillraceError.from(error)))
  }
}
