import { MillraceError } from '../../core/errors.js'
import { type Done, type RuntimeReply, type RuntimeRequest } from './child-messages.js'
import { type LocalRuntime } from './local-runtime.js'
import { ownUsage } from './own-usage.js'
import { type Runtime } from './runtime.js'
import { type PlaceNote } from './thread-frames.js'

/** The runtime process's end of the channel to its agent. */
export interface AgentChannel {
  send(reply: RuntimeReply): void
  onRequest(handler: (request: RuntimeRequest) => void): void
  /** Told which frames are in threads. */
  readonly note: PlaceNote
}

/**
 * Carries out what the agent asks until it says `stop`.
 * @returns when the runtime has stopped
 */
export function serveRuntime(
  runtime: LocalRuntime,
  channel: AgentChannel,
  progressMs: number,
): Promise<void> {
  const beat = setInterval(
    () => channel.send({ type: 'progress', actors: runtime.progress(), usage: ownUsage() }),
    progressMs,
  )
  // Written at once: were the frame to crash this process, its name is with the agent.
  runtime.threads.noteTo(channel.note)
  runtime.trouble$.subscribe(error => channel.send({ type: 'trouble', error: error.toInfo() }))
  channel.onRequest(request => {
    if (request.type === 'stop') void runtime.stop()
    else void answer(runtime, channel, request)
  })
  channel.send({ type: 'online', inbox: runtime.inbox, usage: ownUsage() })
  return runtime.ended.then(() => clearInterval(beat))
}

async function answer(
  runtime: Runtime,
  channel: AgentChannel,
  request: Exclude<RuntimeRequest, { type: 'stop' }>,
): Promise<void> {
  try {
    channel.send({ type: 'done', id: request.id, ...(await carryOut(runtime, request)) })
  } catch (error) {
    channel.send({
      type: 'failed',
      id: request.id,
      error: MillraceError.from(error, 'ACTIVATION_FAILED').toInfo(),
    })
  }
}

async function carryOut(runtime: Runtime, request: Exclude<RuntimeRequest, { type: 'stop' }>): Promise<Done> {
  switch (request.type) {
    case 'activate':
      return { readiness: await runtime.activate(request.activation, request.model) }
    case 'passivate':
      await runtime.passivate(request.key)
      return {}
    case 'measure-speed':
      return { speed: await runtime.measureSpeed() }
    case 'accept-probes':
      await runtime.acceptProbes(request.users)
      return {}
    case 'measure-link':
      return { figure: await runtime.measureLink(request.target) }
  }
}
