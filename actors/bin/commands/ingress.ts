import { startIngress } from '../../../config/hosts.js'
import { defineOptions, pickOptions } from '../../../core/options.js'
import { ingressOptions } from '../../ingress/index.js'
import { defineCommand } from '../cli/command.js'
import { brokerConnection, hostOf } from '../cli/connection.js'

export const ingressCommand = defineCommand({
  name: 'ingress',
  summary: 'Let sensors take part in a cluster with nothing but an MQTT client.',
  options: defineOptions({ ...brokerConnection, ...ingressOptions }),
  async run(session, given) {
    const host = hostOf('ingress', given, session)
    const options = pickOptions(ingressOptions, given)
    await session.untilStopped(startIngress(host, options, session.cleanup))
    session.print(`the ingress is at ${given.broker}\n${usage(host.topics.root)}`, {
      broker: given.broker,
      ...sensorTopics(host.topics.root),
    })
    session.announce({})
    await session.stopped()
  },
})

/** Where sensors publish, and where they are answered. */
export function sensorTopics(root: string): { in: string; out: string } {
  return {
    in: `${root}/in/<pipeline>/<stream>/<raw|json|msgpack|image>[/<frameId>]`,
    out: `${root}/out/<pipeline>/<stream>`,
  }
}

export function usage(root: string): string {
  const topics = sensorTopics(root)
  return `sensors publish to ${topics.in}\nand are answered on ${topics.out}`
}
