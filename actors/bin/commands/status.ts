import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { ClusterWatch, viewCluster } from '../../../config/cluster-watch.js'
import { defineOptions } from '../../../core/options.js'
import { topicsOf } from '../../../core/topics.js'
import { defineCommand } from '../cli/command.js'
import { brokerConnection, openerOf } from '../cli/connection.js'
import { screenOf } from '../status/screen.js'
import { statusText } from '../status/status-text.js'
import { watchStatus } from '../status/watch.js'

const DEFAULT_SECONDS = 2

export const statusCommand = defineCommand({
  name: 'status',
  summary: 'Show the workers, pipelines and stages of a running cluster.',
  options: defineOptions({
    ...brokerConnection,
    watch: {
      check: z.preprocess(
        value => (value === true ? DEFAULT_SECONDS : value),
        z.coerce.number().min(0.1, 'must be 0.1 or more').max(3_600, 'must be 3,600 or less'),
      ),
      value: '[SECONDS]',
      doc: `Show it again every so many seconds (${DEFAULT_SECONDS} where none are given) until stopped.`,
    },
  }),
  async run(session, options) {
    const { broker, root, watch: seconds } = options
    const topics = topicsOf(root)
    const clientId = `millrace-status-${randomBytes(6).toString('hex')}`
    const bus = await session.untilStopped(openerOf(options)({ clientId }))
    session.cleanup.defer('closing the connection', () => bus.close())
    if (seconds === undefined) {
      const view = await session.untilStopped(viewCluster(bus, topics))
      return session.print(statusText(view, screenOf(process.stdout)), view)
    }
    const watch = await session.untilStopped(ClusterWatch.open(bus, topics))
    await watchStatus(session, watch, { broker, everyMs: seconds * 1_000 })
  },
})
