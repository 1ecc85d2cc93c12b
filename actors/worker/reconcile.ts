import { activationKeyOf, type Activation, type ActivationState } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type Readiness } from '../runtime/index.js'

/** What reconciling needs of the worker around it. */
export interface ActorHost {
  /** Makes the partition's file be there; its path. */
  fetch(activation: Activation, signal: AbortSignal): Promise<string>
  activate(activation: Activation, model: string): Promise<Readiness>
  passivate(key: string): Promise<void>
  /** Told of every change of the actual state. */
  onChange(actual: readonly ActivationState[]): void
}

interface Actor {
  readonly activation: Activation
  readonly abort: AbortController
  state: ActivationState
  /** Settles when what was begun for this actor has ended, however. */
  work: Promise<void>
}

/** Brings what a worker runs in line with what it should run, and says how far it is (decision D5). */
export class Reconciler {
  private readonly actors = new Map<string, Actor>()
  /** Actors that are going, for others that are to come in their place. */
  private readonly leaving = new Map<string, Promise<void>>()
  /** Since the runtime crashed, until there is another: what comes to be run meanwhile waits for it, or fails with it. */
  private down: { readonly givenUp: MillraceError | undefined } | undefined

  constructor(private readonly host: ActorHost) {}

  actual(): readonly ActivationState[] {
    return [...this.actors.values()].map(actor => actor.state)
  }

  apply(desired: readonly Activation[]): void {
    const wanted = new Map(desired.map(activation => [activationKeyOf(activation), activation]))
    for (const [key, { activation }] of this.actors) if (!same(activation, wanted.get(key))) this.drop(key)
    for (const [key, activation] of wanted) if (!this.actors.has(key)) this.add(key, activation)
    this.host.onChange(this.actual())
  }

  /**
   * All actors are lost with their runtime.
   * @param givenUp  no other is going to be started
   */
  crashed(error: MillraceError, givenUp = false): void {
    this.down = { givenUp: givenUp ? error : undefined }
    for (const actor of this.actors.values()) {
      actor.abort.abort()
      actor.state = stateOf(actor.activation, 'failed', error)
    }
    this.host.onChange(this.actual())
  }

  /** Begins every actor anew, in a new runtime. */
  begin(): void {
    this.down = undefined
    const activations = [...this.actors.values()].map(actor => actor.activation)
    for (const actor of this.actors.values()) actor.abort.abort()
    this.actors.clear()
    this.apply(activations)
  }

  /** Stops what is under way; resolves when it has ended. The actors themselves end with their runtime. */
  async stop(): Promise<void> {
    const actors = [...this.actors.values()]
    this.actors.clear()
    for (const actor of actors) actor.abort.abort()
    await Promise.all(actors.map(actor => actor.work))
  }

  private add(key: string, activation: Activation): void {
    const abort = new AbortController()
    const actor: Actor = {
      activation,
      abort,
      state: stateOf(activation, 'fetching'),
      work: Promise.resolve(),
    }
    this.actors.set(key, actor)
    if (this.down === undefined) actor.work = this.bring(actor)
    else if (this.down.givenUp !== undefined) actor.state = stateOf(activation, 'failed', this.down.givenUp)
  }

  private drop(key: string): void {
    const actor = this.actors.get(key)
    this.actors.delete(key)
    actor?.abort.abort()
    if (actor === undefined || actor.state.state === 'failed') return
    // At once: it may wait for a next stage that does not come any more.
    const gone = Promise.all([this.host.passivate(key), actor.work]).then(
      () => undefined,
      () => actor.work,
    )
    this.leaving.set(key, gone)
    void gone.then(() => {
      if (this.leaving.get(key) === gone) this.leaving.delete(key)
    })
  }

  private async bring(actor: Actor): Promise<void> {
    const { activation, abort } = actor
    const move = (state: ActivationState) => {
      if (abort.signal.aborted) return
      actor.state = state
      this.host.onChange(this.actual())
    }
    try {
      const model = await this.host.fetch(activation, abort.signal)
      if (abort.signal.aborted) return
      await this.leaving.get(activationKeyOf(activation))
      if (abort.signal.aborted) return
      move(stateOf(activation, 'loading'))
      const readiness = await this.host.activate(activation, model)
      move({ ...stateOf(activation, 'ready'), ...readiness })
    } catch (error) {
      move(stateOf(activation, 'failed', MillraceError.from(error, 'ACTIVATION_FAILED')))
    }
  }
}

/** A supervisor whose broker forgot everything may use an epoch again, for other parts. */
function same(activation: Activation, other: Activation | undefined): boolean {
  return JSON.stringify(activation) === JSON.stringify(other)
}

function stateOf(
  { pipeline, epoch, stage, replica }: Activation,
  state: ActivationState['state'],
  error?: MillraceError,
): ActivationState {
  return { pipeline, epoch, stage, replica, state, ...(error === undefined ? {} : { error: error.toInfo() }) }
}
