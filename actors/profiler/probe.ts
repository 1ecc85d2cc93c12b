import { type ChildProcess } from 'node:child_process'
import { type ErrorInfo, MillraceError } from '../../core/errors.js'
import { type Growth, type Rate } from '../../core/costs/index.js'
import { measureMemory } from './measure-memory.js'
import { measureTimes, type Times, type TimesOrder } from './measure-times.js'

/** What a probe process is asked for, once. */
export type ProbeRequest =
  | { readonly type: 'times'; readonly order: TimesOrder }
  | { readonly type: 'memory'; readonly model: string }
  | { readonly type: 'transport' }

export type ProbeReply =
  | { readonly type: 'times'; readonly times: Times }
  | { readonly type: 'memory'; readonly growth: Growth }
  | { readonly type: 'transport'; readonly rate: Rate }
  | { readonly type: 'failed'; readonly error: ErrorInfo }

/** Starts a process that answers one request, sent over its IPC channel, with `answerProbe`. */
export type SpawnProbe = () => ChildProcess

/**
 * In the probe process.
 * @param measureTransport  what a message costs on its way between two workers
 */
export async function answerProbe(
  request: ProbeRequest,
  measureTransport: () => Promise<Rate>,
): Promise<ProbeReply> {
  try {
    switch (request.type) {
      case 'times':
        return { type: 'times', times: await measureTimes(request.order) }
      case 'memory':
        return { type: 'memory', growth: await measureMemory(request.model) }
      case 'transport':
        return { type: 'transport', rate: await measureTransport() }
    }
  } catch (error) {
    return { type: 'failed', error: MillraceError.from(error).toInfo() }
  }
}

/**
 * Asks a process of its own: there nothing else takes time or memory, and it can be killed in the middle of a run.
 * @throws what the measurement throws; STOPPED; MEASURE_TIMEOUT: it took longer than `limitMs`; RUNTIME_CRASHED
 */
export function askProbe<T extends ProbeRequest['type']>(
  spawn: SpawnProbe,
  request: Extract<ProbeRequest, { type: T }>,
  { signal, limitMs }: { readonly signal: AbortSignal; readonly limitMs: number },
): Promise<Extract<ProbeReply, { type: T }>> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) throw stopped()
    const child = spawn()
    const settle = (act: () => void) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      child.kill('SIGKILL')
      act()
    }
    const fail = (error: MillraceError) => settle(() => reject(error))
    const stop = () => fail(stopped())
    const timer = setTimeout(
      () => fail(new MillraceError('MEASURE_TIMEOUT', `measuring took longer than ${limitMs} ms`)),
      limitMs,
    )
    signal.addEventListener('abort', stop, { once: true })
    child.on('error', error => fail(MillraceError.from(error, 'RUNTIME_CRASHED')))
    child.once('exit', (code, how) =>
      fail(new MillraceError('RUNTIME_CRASHED', `the measuring process ended with ${how ?? code}`)),
    )
    child.once('message', (reply: ProbeReply) => {
      if (isOfType(reply, request.type)) settle(() => resolve(reply))
      else fail(reply.type === 'failed' ? MillraceError.fromInfo(reply.error) : unexpected(reply))
    })
    child.send(request)
  })
}

function isOfType<T extends ProbeReply['type']>(
  reply: ProbeReply,
  type: T,
): reply is Extract<ProbeReply, { type: T }> {
  return reply.type === type
}

function stopped(): MillraceError {
  return new MillraceError('STOPPED', 'the measurement was stopped')
}

function unexpected({ type }: ProbeReply): MillraceError {
  return new MillraceError('INTERNAL', `the measuring process answered '${type}'`)
}
