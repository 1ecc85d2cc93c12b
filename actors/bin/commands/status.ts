import { openCluster } from '../../../config/connect.js'
import { type ClusterView, viewCluster } from '../../../config/cluster-view.js'
import { defineCommand } from '../cli/command.js'
import { brokerConnection, connectionOf, openerOf } from '../cli/connection.js'
import { round, table } from '../cli/tables.js'

export const statusCommand = defineCommand({
  name: 'status',
  summary: 'Show the workers and pipelines of a running cluster.',
  options: brokerConnection,
  async run(session, options) {
    const cluster = await openCluster(openerOf(options), connectionOf(options), session.cleanup)
    const view = await session.untilStopped(viewCluster(cluster.control, cluster.topics))
    session.print(text(view), view)
  },
})

function text({ leader, workers, pipelines }: ClusterView): string {
  const lead =
    leader === undefined ? 'no supervisor' : `supervisor '${leader.supervisor}', term ${leader.term}`
  const rows = workers.map(({ worker, cores, rssBytes, actors }) => [
    worker,
    cores,
    rssBytes === undefined ? 'silent' : `${round(rssBytes / 2 ** 20, 0)} MiB`,
    actors.map(({ pipeline, stage, frames }) => `${pipeline}/${stage} (${frames})`).join(' '),
  ])
  return [
    lead,
    '',
    table(['worker', 'cores', 'agent', 'pipeline/stage (frames)'], rows),
    '',
    table(
      ['pipeline', 'state', 'epoch', 'stages', 'model'],
      pipelines.map(({ pipeline, state, epoch, stages, model }) => [pipeline, state, epoch, stages, model]),
    ),
  ].join('\n')
}
