import { encodeControl, type PipelineStatus, type Plan, type Spec } from '../../core/control/index.js'
import { type DeploymentParts } from './deployment-parts.js'
import { publishPlan } from './epoch.js'

/** Brings a plan into force. */
export async function publishReady(plan: Plan, parts: DeploymentParts): Promise<void> {
  await publishPlan(parts, plan)
  const { epoch, reason } = plan
  const why = reason === undefined ? {} : { reason }
  await publishStatus(parts, { ...idOf(plan), state: 'ready', epoch, ...why })
}

export async function publishStatus(
  { bus, topics }: Pick<DeploymentParts, 'bus' | 'topics'>,
  status: PipelineStatus,
): Promise<void> {
  await bus.publish(topics.pipeline.status(status.pipeline), encodeControl(status), { qos: 1, retain: true })
}

export function idOf({ pipeline, deployment }: Pick<Spec, 'pipeline' | 'deployment'>): {
  pipeline: string
  deployment: string
} {
  return { pipeline, deployment }
}
