import { Subject } from 'rxjs'
import {
  activationKeyOf,
  type Activation,
  type ActorProgress,
  type ProbeTarget,
  type ProbeUser,
  type Speed,
} from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type Link } from '../../core/link.js'
import { type PeerProbes } from '../../core/peer-probes.js'
import { type Topics } from '../../core/topics.js'
import { type LinkFigure, measureInboxLink, measureSpeed } from '../benchmark/index.js'
import { type ActorFaults } from '../faults/index.js'
import { SessionPool } from '../session/index.js'
import { Stage } from '../stage/index.js'
import { noUsage, type ProcessUsage, type Readiness, type Runtime } from './runtime.js'
import { type ThreadFrame, ThreadFrames } from './thread-frames.js'

interface Active {
  readonly stage: Promise<Stage>
  /** Ends what it waits for before it is active. */
  readonly abort: AbortController
}

/** A runtime in this process. Its sessions still have threads of their own. */
export class LocalRuntime implements Runtime {
  /** What is in the threads of its sessions. */
  readonly threads = new ThreadFrames()
  readonly trouble$ = new Subject<MillraceError>()
  readonly ended: Promise<MillraceError | undefined>
  private end: (reason: MillraceError | undefined) => void = () => {}
  private readonly stages = new Map<string, Active>()
  readonly sessions = new SessionPool()
  private readonly ready = new Map<string, Stage>()
  private readonly stopping = new AbortController()
  /** Settles when no measurement is under way. */
  private measuring: Promise<unknown> = Promise.resolve()

  constructor(
    readonly link: Link,
    private readonly topics: Topics,
    private readonly probes: PeerProbes,
    readonly inbox?: string,
    /** What its actors suffer; left out: nothing. */
    private readonly faults?: ActorFaults,
  ) {
    this.ended = new Promise(resolve => {
      this.end = resolve
    })
  }

  async activate(activation: Activation, model: string): Promise<Readiness> {
    const key = activationKeyOf(activation)
    if (this.stages.has(key)) {
      throw new MillraceError('ACTIVATION_FAILED', `${key} is active already`)
    }
    const { topics } = this
    const { link, sessions } = this.faults?.around(activation, this) ?? this
    const { pipeline, epoch } = activation
    const abort = new AbortController()
    const stage = Stage.activate(activation, model, {
      link,
      topics,
      sessions,
      signal: abort.signal,
      onEnter: ({ dispatcher, stream, sequence }) =>
        this.threads.enter({ pipeline, epoch, dispatcher, stream, sequence }),
      onTrouble: error => this.trouble$.next(error),
    })
    const active = { stage, abort }
    this.stages.set(key, active)
    try {
      const ready = await stage
      if (abort.signal.aborted) throw new MillraceError('STOPPED', `${key} was given up before it was active`)
      const runMs = await this.measure(() => ready.rehearse())
      this.ready.set(key, ready)
      return { link: await ready.link, runMs }
    } catch (error) {
      if (this.stages.get(key) === active) await this.passivate(key).catch(() => undefined)
      throw error
    }
  }

  async passivate(key: string): Promise<void> {
    const active = this.stages.get(key)
    this.stages.delete(key)
    this.ready.delete(key)
    active?.abort.abort()
    await (await active?.stage)?.passivate()
  }

  measureSpeed(): Promise<Speed> {
    return this.measure(() => measureSpeed({ signal: this.stopping.signal }))
  }

  async acceptProbes(users: readonly ProbeUser[]): Promise<void> {
    this.probes.accept(users)
  }

  measureLink(target: ProbeTarget): Promise<LinkFigure> {
    return this.measure(() => measureInboxLink(target, to => this.probes.connect(to), this.stopping.signal))
  }

  progress(): readonly ActorProgress[] {
    return [...this.ready.values()].map(stage => stage.progress())
  }

  usage(): ProcessUsage {
    return noUsage()
  }

  inThreads(): readonly ThreadFrame[] {
    return this.threads.all()
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await Promise.allSettled([...[...this.stages.keys()].map(key => this.passivate(key)), this.measuring])
    this.trouble$.complete()
    this.end(undefined)
  }

  /** One at a time: they would disturb each other. */
  private measure<T>(work: () => Promise<T>): Promise<T> {
    const result = this.measuring.then(work)
    this.measuring = result.catch(() => undefined)
    return result
  }
}
