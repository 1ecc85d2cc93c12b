import { brokerOptions } from '../../../config/broker-options.js'
import { connectOptions } from '../../../config/connect-options.js'
import { defineOptions } from '../../../core/options.js'
import { defineCommand } from '../cli/command.js'
import { startMembers, startOwnBroker } from '../cli/local-cluster.js'
import { findPlaces, workerCount, workerOption } from '../cli/places.js'
import { usersOf } from './broker.js'

export const upCommand = defineCommand({
  name: 'up',
  summary: 'Run a broker, a supervisor and workers on this machine until stopped.',
  options: defineOptions({ ...brokerOptions, root: connectOptions.root, ...workerOption }),
  async run(session, options) {
    const { port, root } = options
    const places = await findPlaces()
    const workers = workerCount(options.workers, places)
    // Workers in other devices do not reach what listens on loopback.
    const host = places?.dispatcher.address ?? options.host
    const users = usersOf(options)
    const [user] = users
    const url = await startOwnBroker(session, { host, port, users })
    const connection = ['--root', root, ...(user === undefined ? [] : ['--username', user.name])]
    await startMembers(session, { broker: url, workers, places, password: user?.password, connection })
    const text = `broker on ${url}, a supervisor and ${workers} workers; stop with Ctrl-C`
    session.print(text, { broker: url, workers })
    session.announce({ url })
    await session.stopped()
  },
})
