import { brokerOptions } from '../../../config/broker-options.js'
import { connectOptions } from '../../../config/connect-options.js'
import { defineOptions } from '../../../core/options.js'
import { defineCommand } from '../cli/command.js'
import { keepProcess } from '../cli/kept-process.js'
import { startMembers, startOwnBroker } from '../cli/local-cluster.js'
import { findPlaces, workerCount, workerOption } from '../cli/places.js'
import { storeOptions } from '../../model-store/index.js'
import { usersOf } from './broker.js'
import { sensorTopics, usage } from './ingress.js'

const { cacheLimitMib } = storeOptions

export const upCommand = defineCommand({
  name: 'up',
  summary: 'Run a broker, a supervisor, workers and the ingress for sensors on this machine until stopped.',
  options: defineOptions({ ...brokerOptions, root: connectOptions.root, ...workerOption, cacheLimitMib }),
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
    await startMembers(session, {
      broker: url,
      workers,
      places,
      password: user?.password,
      connection,
      cacheLimitMib: options.cacheLimitMib,
    })
    const flags = session.debug ? ['--debug'] : []
    const secret = user === undefined ? {} : { MILLRACE_PASSWORD: user.password }
    await keepProcess(session, ['ingress', '--broker', url, ...connection, ...flags], secret)
    const text = `broker on ${url}, a supervisor and ${workers} workers; stop with Ctrl-C\n${usage(root)}`
    session.print(text, { broker: url, workers, ...sensorTopics(root) })
    session.announce({ url })
    await session.stopped()
  },
})
