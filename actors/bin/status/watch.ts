import { type ClusterWatch } from '../../../config/cluster-watch.js'
import { type Session } from '../cli/session.js'
import { screenOf, takeScreen } from './screen.js'
import { statusText } from './status-text.js'

/**
 * Shows a cluster again and again until the session is stopped: in place on a terminal, one text after the other
 * elsewhere, and one object on each line for machines.
 */
export async function watchStatus(
  session: Session,
  watch: ClusterWatch,
  options: { readonly broker: string; readonly everyMs: number },
): Promise<void> {
  const stream = process.stdout
  const terminal = stream.isTTY && !session.json
  const write = terminal ? takeScreen(session, stream) : (text: string) => void stream.write(`${text}\n\n`)
  const show = () => {
    const { connected } = watch
    if (session.json) return session.print('', { connected, ...watch.view() })
    const lost = `the connection to ${options.broker} is lost; trying again`
    write(connected ? statusText(watch.view(), screenOf(stream)) : lost)
  }
  // Whoever read it has gone.
  stream.once('error', () => session.stop('nobody reads the output'))
  if (terminal) stream.on('resize', show)
  const timer = setInterval(show, options.everyMs)
  show()
  await session.stopped()
  clearInterval(timer)
  stream.off('resize', show)
}
