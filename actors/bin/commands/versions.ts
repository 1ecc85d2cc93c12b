import { openCluster } from '../../../config/connect.js'
import { type Cluster } from '../../../config/index.js'
import { type Plan } from '../../../core/control/index.js'
import { versionOf } from '../../../core/versions.js'
import { defineCommand, onlyArgument } from '../cli/command.js'
import { brokerConnection, connectionOf, openerOf } from '../cli/connection.js'
import { currentPlan } from '../cli/current-plan.js'

export const promoteCommand = versionCommand(
  'promote',
  'Give the version of a pipeline that is tried as a canary all frames.',
  (cluster, pipeline) => cluster.promote(pipeline),
)

export const rollbackCommand = versionCommand(
  'rollback',
  'End the canary of a pipeline or, where there is none, bring its version before back.',
  (cluster, pipeline) => cluster.rollback(pipeline),
)

/** Which versions have which share of the frames. */
export function versionsText({ pipeline, model, canary }: Plan): string {
  const own = `version ${versionOf(model)} of '${pipeline}'`
  if (canary === undefined) return `${own} has all frames`
  const percent = (share: number) => `${Number((100 * share).toFixed(3))} %`
  const { share, plan } = canary
  return `${own} has ${percent(1 - share)} of the frames, and version ${versionOf(plan.model)}, its canary, ${percent(share)}`
}

function versionCommand(
  name: string,
  summary: string,
  act: (cluster: Cluster, pipeline: string) => Promise<void>,
) {
  return defineCommand({
    name,
    arguments: '<pipeline>',
    summary,
    options: brokerConnection,
    async run(session, options, args) {
      const name = onlyArgument(args, 'the name of the pipeline')
      const cluster = await openCluster(openerOf(options), connectionOf(options), session.cleanup)
      await session.untilStopped(act(cluster, name))
      const pipeline = await session.untilStopped(cluster.pipeline(name))
      const plan = await currentPlan(pipeline)
      session.print(versionsText(plan), plan)
      await pipeline.close()
    },
  })
}
