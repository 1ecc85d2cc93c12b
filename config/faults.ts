import { randomBytes } from 'node:crypto'
import { concatMap, firstValueFrom, ReplaySubject, take, takeUntil, timer } from 'rxjs'
import { Birth, decodeControl, encodeControl, errorOf } from '../core/control/index.js'
import { MillraceError } from '../core/errors.js'
import { type Fault, FaultAnswer, type LineState, type Victim } from '../core/faults.js'
import { firstWhere } from '../core/wait.js'
import { type Cluster } from './cluster.js'
import { type Pipeline } from './pipeline.js'

/** A stage by its number, or by where it is. */
export type StageChoice = number | 'first' | 'middle' | 'last'

/** A fault that was let happen. */
export interface Injected {
  readonly fault: Fault['type']
  /** That it was aimed at; left out for the broker. */
  readonly stage?: number
  readonly worker?: string
  /** Just before it happened, in this process's clock: ms since the Unix epoch. */
  readonly at: number
}

const ANSWER_MS = 15_000
/** Somebody who may be starting is told again so often. */
const AGAIN_MS = 1_000

/**
 * Lets parts of a cluster fail on purpose, while frames go through one of its pipelines: real processes are killed and
 * stopped, real connections broken. Only what was started with `--allow-faults` obeys; everything else refuses with
 * FAULTS_REFUSED. Each call resolves when the fault is confirmed, just before or just after it happens.
 */
export class FaultInjector {
  constructor(
    private readonly cluster: Cluster,
    private readonly pipeline: Pipeline,
  ) {}

  /**
   * Kills the worker that runs a stage, as a machine ends that loses its power.
   * @param victim  `runtime`: only the process in which the worker runs its partitions
   * @throws FAULTS_REFUSED; OPTION_INVALID: there is no such stage
   */
  kill(stage: StageChoice, victim: Victim = 'worker'): Promise<Injected> {
    return this.strike(stage, { type: 'kill', victim })
  }

  /** Stops it for `ms`, as a machine that sleeps or swaps, and lets it go on. @throws as `kill` */
  stall(stage: StageChoice, ms: number, victim: Victim = 'worker'): Promise<Injected> {
    return this.strike(stage, { type: 'stall', victim, ms })
  }

  /**
   * Each run of the stage takes `factor` times as long on the worker that has it now.
   * @param factor  1 to 1,000; 1 ends it
   * @throws as `kill`
   */
  async slow(stage: StageChoice, factor: number): Promise<Injected> {
    return this.strike(stage, { type: 'slow', ...(await this.actor(stage)), factor })
  }

  /**
   * Of the messages that leave the stage, some have one bit changed.
   * @param rate  0 to 1; 0 ends it
   * @throws as `kill`
   */
  async corrupt(stage: StageChoice, rate: number): Promise<Injected> {
    return this.strike(stage, { type: 'corrupt', ...(await this.actor(stage)), rate })
  }

  /**
   * Makes one frame kill the process that runs the stage, on whatever worker that is.
   * @param frame  its stream, and its place in it
   * @throws as `kill`
   */
  async poison(
    stage: StageChoice,
    frame: { readonly stream: string; readonly sequence: number },
  ): Promise<Injected> {
    const { stream, sequence } = frame
    const fault = { type: 'poison', ...(await this.actor(stage)), stream, sequence } as const
    const { topics } = this.cluster
    const workers = [...(await this.inboxes()).keys()]
    // One of them may just be starting again, and hears nothing yet; to be told twice changes nothing.
    await Promise.all(
      workers.map(worker => this.order(topics.fault.worker(worker), fault, ANSWER_MS / AGAIN_MS)),
    )
    return { fault: 'poison', stage: fault.stage, at: Date.now() }
  }

  /**
   * Breaks the link over which the worker of a stage sends to that of another, or its links to the broker.
   * @param how  `cut`: connections break, and new ones are refused; `silent`: nothing comes through, and nobody is told
   * @throws as `kill`
   */
  async cut(
    from: StageChoice,
    to: StageChoice | 'broker',
    ms: number,
    how: Exclude<LineState, 'whole'> = 'cut',
  ): Promise<Injected> {
    if (to === 'broker') return this.strike(from, { type: 'line', state: how, ms })
    const { worker } = await this.place(to)
    const url = (await this.inboxes()).get(worker)
    if (url === undefined) throw new MillraceError('OPTION_INVALID', `'${worker}' takes no frames from peers`)
    return this.strike(from, { type: 'line', url, state: how, ms })
  }

  /**
   * Ends the broker of `millrace up`, and begins another at its address that has forgotten everything.
   * @param downMs  how long nobody listens there
   * @throws FAULTS_REFUSED
   */
  async restartBroker(downMs = 0): Promise<Injected> {
    await this.order(this.cluster.topics.fault.broker, { type: 'restart', ms: downMs })
    return { fault: 'restart', at: Date.now() }
  }

  private async strike(choice: StageChoice, fault: Fault): Promise<Injected> {
    const { stage, worker } = await this.place(choice)
    const at = await this.order(this.cluster.topics.fault.worker(worker), fault)
    return { fault: fault.type, stage, worker, at }
  }

  private async actor(choice: StageChoice): Promise<{ pipeline: string; stage: number }> {
    return { pipeline: this.pipeline.name, stage: (await this.place(choice)).stage }
  }

  /** The first replica of a stage, as the plan in force has it. */
  private async place(choice: StageChoice): Promise<{ stage: number; worker: string }> {
    const { stages } = await firstValueFrom(this.pipeline.plan$)
    const last = Math.max(...stages.map(({ stage }) => stage))
    const places = { first: 0, middle: Math.ceil(last / 2), last }
    const wanted = typeof choice === 'number' ? choice : places[choice]
    const found = stages.find(({ stage }) => stage === wanted)
    if (found === undefined) throw new MillraceError('OPTION_INVALID', `there is no stage ${choice}`)
    return found
  }

  /** Of each worker that was born and has not left, the URL of its inbox. */
  private async inboxes(): Promise<Map<string, string | undefined>> {
    const { control, topics } = this.cluster
    const found = new Map<string, string | undefined>()
    const subscription = await control.subscribe(topics.worker.births, ({ payload }) => {
      const birth = decodeControl(Birth, payload)
      if (birth !== undefined) found.set(birth.worker, birth.inbox)
    })
    const { stages } = await firstValueFrom(this.pipeline.plan$)
    const deadline = Date.now() + ANSWER_MS
    // MQTT does not say which retained value is the last: those of the plan are there, and all come at once.
    while (stages.some(({ worker }) => !found.has(worker)) && Date.now() < deadline) {
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    await subscription.close()
    return found
  }

  /**
   * @param tries  how often it is told, as long as nobody answers
   * @returns when the answer came: ms since the Unix epoch
   */
  private async order(topic: string, fault: Fault, tries = 1): Promise<number> {
    const { control, topics } = this.cluster
    const order = randomBytes(8).toString('hex')
    const answers = new ReplaySubject<FaultAnswer>(1)
    const subscription = await control.subscribe(
      topics.fault.answer(order),
      ({ payload }) => {
        const answer = decodeControl(FaultAnswer, payload)
        if (answer !== undefined) answers.next(answer)
      },
      { qos: 1 },
    )
    try {
      const none = () =>
        new MillraceError(
          'FAULTS_REFUSED',
          `nobody obeys a '${fault.type}' on '${topic}': no faults are allowed there`,
        )
      const answered = firstWhere(answers, () => true, ANSWER_MS, none)
      const tell = () => control.publish(topic, encodeControl({ order, fault }), { qos: 1 })
      await tell()
      const telling = timer(AGAIN_MS, AGAIN_MS)
        .pipe(take(tries - 1), takeUntil(answers), concatMap(tell))
        .subscribe({ error: () => undefined })
      const answer = await answered.finally(() => telling.unsubscribe())
      if (answer.error !== undefined) throw errorOf(answer)
      return Date.now()
    } finally {
      await subscription.close().catch(() => undefined)
    }
  }
}

/** @param pipeline  whose stages the faults are aimed at */
export function faultsOf(cluster: Cluster, pipeline: Pipeline): FaultInjector {
  return new FaultInjector(cluster, pipeline)
}
