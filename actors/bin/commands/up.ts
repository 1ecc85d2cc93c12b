import { brokerOptions } from '../../../config/broker-options.js'
import { connectOptions } from '../../../config/connect-options.js'
import { embeddedOptions } from '../../../config/embedded.js'
import { defineOptions } from '../../../core/options.js'
import { defineCommand } from '../cli/command.js'
import { startMembers, startOwnBroker } from '../cli/local-cluster.js'
import { usersOf } from './broker.js'

export const upCommand = defineCommand({
  name: 'up',
  summary: 'Run a broker, a supervisor and workers on this machine until stopped.',
  options: defineOptions({ ...brokerOptions, root: connectOptions.root, workers: embeddedOptions.workers }),
  async run(session, options) {
    const { host, port, root, workers } = options
    const users = usersOf(options)
    const [user] = users
    const url = await startOwnBroker(session, { host, port, users })
    const connection = ['--root', root, ...(user === undefined ? [] : ['--username', user.name])]
    await startMembers(session, { broker: url, workers, password: user?.password, connection })
    const text = `broker on ${url}, a supervisor and ${workers} workers; stop with Ctrl-C`
    session.print(text, { broker: url, workers })
    session.announce({ url })
    await session.stopped()
  },
})
