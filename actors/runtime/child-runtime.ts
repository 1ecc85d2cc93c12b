import { type ChildProcess } from 'node:child_process'
import { closeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Subject } from 'rxjs'
import {
  type Activation,
  type ActorProgress,
  type ProbeTarget,
  type ProbeUser,
  type Speed,
} from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type LinkFigure } from '../benchmark/index.js'
import { type Done, type RuntimeReply, type RuntimeRequest } from './child-messages.js'
import { noUsage, type ProcessUsage, type Readiness, type Runtime } from './runtime.js'
import { type StallLimits, StallWatch } from './stall-watch.js'
import { type ThreadFrame } from './thread-frames.js'
import { openThreadNotes, readThreadNotes } from './thread-notes.js'

export interface RuntimeLimits extends StallLimits {
  readonly startTimeoutMs: number
  readonly stopTimeoutMs: number
}

/**
 * Starts the runtime process, with an IPC channel behind its standard streams.
 * @param notes  descriptor of a file that the process is to have behind that
 */
export type SpawnRuntime = (notes: number) => ChildProcess

type Request = Extract<RuntimeRequest, { id: number }>
interface Waiting {
  readonly resolve: (done: Done) => void
  readonly reject: (error: MillraceError) => void
}

/** A process of its own that holds the channel open must not be waited for. */
const LAST_WORD_MS = 1_000

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never

/** The agent's end of a runtime process: a crash or a kill is seen here, and harms nothing else. */
export class ChildRuntime implements Runtime {
  readonly trouble$ = new Subject<MillraceError>()
  readonly ended: Promise<MillraceError | undefined>
  private readonly waiting = new Map<number, Waiting>()
  /** As they were when it ended. */
  private lastInThreads: readonly ThreadFrame[] | undefined
  private nextId = 0
  private actors: readonly ActorProgress[] = []
  private stopping = false
  private stalled = false
  private readonly watch: StallWatch

  private constructor(
    private readonly child: ChildProcess,
    private readonly limits: RuntimeLimits,
    private readonly notes: number,
    readonly inbox: string | undefined,
    private used: ProcessUsage,
  ) {
    this.watch = new StallWatch(limits, () => this.endStalled())
    child.on('message', (reply: RuntimeReply) => this.handle(reply))
    // A signal or a message that did not get through; the exit tells. Without a listener it would end the agent.
    child.on('error', () => undefined)
    this.ended = new Promise(resolve => {
      child.once('exit', (code, signal) => {
        void lastWord(child).then(() => resolve(this.close(signal ?? `exit code ${code}`)))
      })
    })
  }

  /**
   * @throws RUNTIME_CRASHED, or what the process says that it could not start for
   */
  static async start(spawn: SpawnRuntime, limits: RuntimeLimits): Promise<ChildRuntime> {
    const notes = openThreadNotes(tmpdir())
    try {
      const child = spawn(notes)
      const { inbox, usage } = await online(child, limits.startTimeoutMs)
      return new ChildRuntime(child, limits, notes, inbox, usage)
    } catch (error) {
      closeSync(notes)
      throw error
    }
  }

  async activate(activation: Activation, model: string): Promise<Readiness> {
    return given((await this.request({ type: 'activate', activation, model })).readiness)
  }

  async passivate(key: string): Promise<void> {
    await this.request({ type: 'passivate', key })
  }

  async measureSpeed(): Promise<Speed> {
    return given((await this.request({ type: 'measure-speed' })).speed)
  }

  async acceptProbes(users: readonly ProbeUser[]): Promise<void> {
    await this.request({ type: 'accept-probes', users })
  }

  async measureLink(target: ProbeTarget): Promise<LinkFigure> {
    return given((await this.request({ type: 'measure-link', target })).figure)
  }

  progress(): readonly ActorProgress[] {
    return this.actors
  }

  usage(): ProcessUsage {
    return this.used
  }

  inThreads(): readonly ThreadFrame[] {
    return this.lastInThreads ?? readThreadNotes(this.notes)
  }

  /** A runtime that does not stop in time, because an inference hangs, is killed. */
  async stop(): Promise<void> {
    this.stopping = true
    if (this.child.connected) this.child.send({ type: 'stop' } satisfies RuntimeRequest)
    const timer = setTimeout(() => this.child.kill('SIGKILL'), this.limits.stopTimeoutMs)
    await this.ended
    clearTimeout(timer)
  }

  private request(request: WithoutId<Request>): Promise<Done> {
    const id = this.nextId++
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
      this.child.send({ ...request, id }, error => {
        if (error !== null)
          this.refuse(id, new MillraceError('RUNTIME_CRASHED', 'the runtime process is gone'))
      })
    })
  }

  /** It may be frozen, or loop for ever: only a kill ends it for certain. */
  private endStalled(): void {
    this.stalled = true
    this.child.kill('SIGKILL')
  }

  private handle(reply: RuntimeReply): void {
    this.watch.heard()
    switch (reply.type) {
      case 'done':
        return this.take(reply.id)?.resolve(reply)
      case 'failed':
        return this.refuse(reply.id, MillraceError.fromInfo(reply.error))
      case 'progress':
        this.actors = reply.actors
        this.used = reply.usage
        return
      case 'trouble':
        return this.trouble$.next(MillraceError.fromInfo(reply.error))
      case 'online':
      case 'offline':
        return
    }
  }

  private take(id: number): Waiting | undefined {
    const waiting = this.waiting.get(id)
    this.waiting.delete(id)
    return waiting
  }

  private refuse(id: number, error: MillraceError): void {
    this.take(id)?.reject(error)
  }

  private close(how: string): MillraceError | undefined {
    this.watch.close()
    this.lastInThreads = readThreadNotes(this.notes)
    closeSync(this.notes)
    const why = this.stalled ? 'gave no sign of life and was killed' : `ended with ${how}`
    const error = new MillraceError('RUNTIME_CRASHED', `the runtime process ${why}`)
    for (const id of [...this.waiting.keys()]) this.refuse(id, error)
    this.actors = []
    this.used = noUsage()
    this.trouble$.complete()
    return this.stopping ? undefined : error
  }
}

/** Resolves when all that it sent has been heard, which may be after its exit is known. */
function lastWord(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    if (!child.connected) return resolve()
    const timer = setTimeout(resolve, LAST_WORD_MS)
    child.once('disconnect', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** @throws RUNTIME_CRASHED: the process answers as no runtime does */
function given<T>(value: T | undefined): T {
  if (value === undefined) throw new MillraceError('RUNTIME_CRASHED', 'the runtime process gave no answer')
  return value
}

type Online = Extract<RuntimeReply, { type: 'online' }>

/** @returns where its inbox broker listens, if it has one, and what it uses */
function online(child: ChildProcess, timeoutMs: number): Promise<Online> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: MillraceError | Online) => {
      clearTimeout(timer)
      child.off('error', onError).off('exit', onExit).off('message', onMessage)
      if (!(outcome instanceof MillraceError)) return resolve(outcome)
      child.on('error', () => undefined).kill('SIGKILL')
      reject(outcome)
    }
    const crash = (message: string) => settle(new MillraceError('RUNTIME_CRASHED', message))
    const onError = (error: Error) => crash(`the runtime process could not be started: ${error.message}`)
    const onExit = (code: number | null, signal: string | null) =>
      crash(`the runtime process ended with ${signal ?? `exit code ${code}`}`)
    const onMessage = (reply: RuntimeReply) => {
      if (reply.type === 'offline') settle(MillraceError.fromInfo(reply.error))
      else if (reply.type === 'online') settle(reply)
    }
    const timer = setTimeout(() => crash(`the runtime process did not start in ${timeoutMs} ms`), timeoutMs)
    child.on('error', onError).on('exit', onExit).on('message', onMessage)
  })
}
