import { openCluster } from '../../../config/connect.js'
import { defineOptions, pickOptions } from '../../../core/options.js'
import { deployOptions } from '../../supervisor/index.js'
import { defineCommand, onlyArgument } from '../cli/command.js'
import { brokerConnection, connectionOf, openerOf } from '../cli/connection.js'
import { predictedLines } from '../cli/predicted-text.js'
import { planTable } from '../cli/tables.js'
import { warnOfFallbacks } from '../cli/fallbacks.js'
import { currentPlan } from '../cli/current-plan.js'
import { versionsText } from './versions.js'

export const deployCommand = defineCommand({
  name: 'deploy',
  arguments: '<model>',
  summary: 'Cut an ONNX model and load its partitions on the workers of a running cluster.',
  options: defineOptions({ ...brokerConnection, ...deployOptions }),
  async run(session, options, args) {
    const model = onlyArgument(args, 'the model')
    const cluster = await openCluster(openerOf(options), connectionOf(options), session.cleanup)
    session.say(`deploying ${model} ...`)
    const pipeline = await session.untilStopped(cluster.deploy(model, pickOptions(deployOptions, options)))
    const plan = await currentPlan(pipeline)
    const { canary } = plan
    const made = canary?.plan ?? plan
    warnOfFallbacks(session, made, options.links)
    const ready = `pipeline '${plan.pipeline}' is ready, epoch ${made.epoch}`
    const versions = canary === undefined ? [] : [versionsText(plan)]
    session.print([ready, ...versions, planTable(made), '', ...predictedLines(made)].join('\n'), plan)
    await pipeline.close()
  },
})
