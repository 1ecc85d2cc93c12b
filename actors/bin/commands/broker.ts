import { brokerOptions } from '../../../config/broker-options.js'
import { startBroker } from '../../../broker/index.js'
import { type Options } from '../../../core/options.js'
import { defineCommand } from '../cli/command.js'

export const brokerCommand = defineCommand({
  name: 'broker',
  summary: 'Run the embedded MQTT broker.',
  options: brokerOptions,
  async run(session, options) {
    const { host, port } = options
    const broker = await startBroker({ host, port, users: usersOf(options) })
    session.cleanup.defer('closing the broker', () => broker.close())
    session.print(`broker listens on ${broker.url}`, {
      url: broker.url,
      host: broker.host,
      port: broker.port,
    })
    session.announce({ url: broker.url })
    await session.stopped()
  },
})

/** The user, given as an option or in the environment, where other users of the machine do not see the password. */
export function usersOf({ user = process.env['MILLRACE_USER'] }: Options<typeof brokerOptions>): {
  name: string
  password: string
}[] {
  if (user === undefined) return []
  const colon = user.indexOf(':')
  return [{ name: user.slice(0, colon), password: user.slice(colon + 1) }]
}
