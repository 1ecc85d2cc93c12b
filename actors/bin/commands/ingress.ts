import { startIngress } from '../../../config/hosts.js'
import { type MillraceError } from '../../../core/errors.js'
import { defineOptions, pickOptions } from '../../../core/options.js'
import { ingressOptions } from '../../ingress/index.js'
import { type JournalOptions, journalOptions, openJournal } from '../../journal/index.js'
import { defineCommand } from '../cli/command.js'
import { brokerConnection, hostOf } from '../cli/connection.js'
import { type Session } from '../cli/session.js'

export const ingressCommand = defineCommand({
  name: 'ingress',
  summary: 'Let sensors take part in a cluster with nothing but an MQTT client.',
  options: defineOptions({ ...brokerConnection, ...ingressOptions, ...journalOptions }),
  async run(session, given) {
    const host = hostOf('ingress', given, session)
    const options = pickOptions(ingressOptions, given)
    const { journal, broken } = await journalFor(session, pickOptions(journalOptions, given))
    const started = startIngress({ ...host, journal }, options, session.cleanup)
    await session.untilStopped(Promise.race([broken, started]))
    session.print(`the ingress is at ${given.broker}\n${usage(host.topics.root)}`, {
      broker: given.broker,
      ...sensorTopics(host.topics.root),
    })
    session.announce({})
    await Promise.race([broken, session.stopped()])
  },
})

/**
 * @returns `broken` rejects with what the journal cannot be written for: no frame is acknowledged then, and the next start
 *   may find it put right
 */
async function journalFor(session: Session, options: JournalOptions) {
  let fail: (error: MillraceError) => void = () => {}
  const broken = new Promise<never>((_, reject) => (fail = reject))
  broken.catch(() => undefined)
  const onTrouble = (error: MillraceError) =>
    error.code === 'JOURNAL_FULL' ? session.warn(error) : fail(error)
  const journal = await openJournal(options, onTrouble)
  if (journal !== undefined) session.cleanup.defer('closing the journal', () => journal.close())
  return { journal, broken }
}

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
