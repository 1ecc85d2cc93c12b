import { type Order, type Plan, type Spec } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type DeploymentParts } from './deployment-parts.js'
import { deploy, type Takeover } from './deployment.js'
import { publishReady } from './pipeline-status.js'
import {
  isAskedFor,
  promoted,
  refuseUnlike,
  specBefore,
  successorOf,
  withCanary,
  withoutCanary,
} from './versions.js'

export interface RolloutParts extends DeploymentParts {
  /** The pipeline's plan, now. */
  readonly inForce: () => Plan | undefined
  /** What becomes of frames under way when another plan takes its place: on stages that do not work they would wait in vain. */
  readonly handover: () => Plan['handover']
}

/**
 * Carries out what a user asks for: another version in the place of the one in force or beside it, all frames for the one
 * beside it, or the way back.
 * @returns the plan in force
 * @throws as `deploy`; VERSION_NONE, CANARY_REFUSED
 */
export async function rollOut(wish: Spec | Order, parts: RolloutParts, signal: AbortSignal): Promise<Plan> {
  const before = parts.inForce()
  if ('order' in wish) {
    const plan = known(before, wish)
    return wish.order === 'promote' ? promote(wish, plan, parts) : rollBack(wish, plan, parts, signal)
  }
  if (wish.canary !== undefined) return tryOut(wish, wish.canary, parts, signal)
  const { canary } = before ?? {}
  if (before !== undefined && canary !== undefined && isAskedFor(wish, canary.plan)) {
    return promote(wish, before, parts)
  }
  return deploy(wish, parts, inPlace(parts), signal)
}

/** A further state of the plan in force. */
export function nextRevision({ term, nextEpoch }: DeploymentParts): NonNullable<Plan['revision']> {
  return { term, number: nextEpoch() }
}

function inPlace({ inForce, handover }: RolloutParts): Takeover {
  return {
    check: () => undefined,
    place: made => successorOf({ ...made, handover: handover() }, inForce()),
  }
}

async function tryOut(spec: Spec, share: number, parts: RolloutParts, signal: AbortSignal): Promise<Plan> {
  const about = () => ({ deployment: spec.deployment, share, revision: nextRevision(parts) })
  const before = () => {
    const none = `no version of '${spec.pipeline}' is in force that it could have a share of`
    return known(parts.inForce(), spec, new MillraceError('CANARY_REFUSED', none))
  }
  const { canary } = before()
  // What runs already is not loaded anew for another share.
  if (canary !== undefined && isAskedFor(spec, canary.plan)) {
    return bring(withCanary(before(), canary.plan, about()), parts)
  }
  const beside: Takeover = {
    check: cut => refuseUnlike(cut, before()),
    place: made => withCanary(before(), made, about()),
  }
  return deploy(spec, parts, beside, signal)
}

function promote({ deployment }: Spec | Order, before: Plan, parts: RolloutParts): Promise<Plan> {
  return bring(promoted(before, deployment, nextRevision(parts)), parts)
}

async function rollBack(order: Order, before: Plan, parts: RolloutParts, signal: AbortSignal): Promise<Plan> {
  const reason = 'rolled back'
  const { deployment } = order
  if (before.canary !== undefined) {
    const about = { reason, handover: 'drain', revision: nextRevision(parts) } as const
    return bring({ ...withoutCanary(before, about), deployment }, parts)
  }
  // Whoever goes back twice by mistake does not stand where it went wrong.
  const place = (made: Plan): Plan => ({ ...made, reason, handover: parts.handover() })
  return deploy(specBefore(before, order), parts, { check: () => undefined, place }, signal)
}

/** Nothing is loaded for it. */
async function bring(plan: Plan, parts: RolloutParts): Promise<Plan> {
  await publishReady(plan, parts)
  return plan
}

function known(
  plan: Plan | undefined,
  { pipeline }: Spec | Order,
  otherwise = new MillraceError('PIPELINE_UNKNOWN', `no version of '${pipeline}' is in force`),
): Plan {
  if (plan === undefined) throw otherwise
  return plan
}
