import { type Subscription } from 'rxjs'
import { type Cluster } from '../../../config/cluster.js'
import { type Pipeline } from '../../../config/index.js'
import { type Subscription as BusSubscription } from '../../../core/bus.js'
import { Birth, Crash, decodeControl, Findings } from '../../../core/control/index.js'

/** What a cluster says is wrong with its workers, and what it does about it: each is false where nothing is. */
export class Alarms {
  /** What was found, such as `w1: WORKER_SLOW`, as often as that began anew. */
  readonly findings: string[] = []
  /** Incarnations of workers that were declared dead, or took the place of one; processes of theirs that crashed. */
  readonly deaths: string[] = []
  /** Plans after the first, with their reasons. */
  readonly epochs: string[] = []
  private readonly incarnations = new Map<string, number>()
  private readonly watching: Subscription[]
  private readonly subscriptions: BusSubscription[] = []
  private standing: readonly string[] = []

  private constructor({ plan$ }: Pipeline) {
    let first = true
    this.watching = [
      plan$.subscribe(({ epoch, reason = 'no reason' }) => {
        if (!first) this.epochs.push(`${epoch}: ${reason}`)
        first = false
      }),
    ]
  }

  /** Hears from now on. */
  static async listen({ control, topics }: Cluster, pipeline: Pipeline): Promise<Alarms> {
    const alarms = new Alarms(pipeline)
    const on = async (filter: string, use: (payload: Uint8Array, topic: string) => void) => {
      const hear = ({ payload, topic }: { payload: Uint8Array; topic: string }) => use(payload, topic)
      alarms.subscriptions.push(await control.subscribe(filter, hear, { qos: 1 }))
    }
    await on(topics.supervisor.findings, payload => alarms.found(decodeControl(Findings, payload)))
    await on(topics.worker.deaths, (_, topic) => alarms.deaths.push(topic.slice(topics.root.length + 1)))
    await on(topics.worker.births, payload => alarms.born(decodeControl(Birth, payload)))
    await on(topics.pipeline.crashes, payload => alarms.crashed(decodeControl(Crash, payload)))
    return alarms
  }

  async close(): Promise<void> {
    for (const one of this.watching) one.unsubscribe()
    await Promise.all(this.subscriptions.map(one => one.close()))
  }

  private found(message: Findings | undefined): void {
    if (message === undefined) return
    const now = message.findings.map(({ worker, code }) => `${worker}: ${code}`)
    this.findings.push(...now.filter(one => !this.standing.includes(one)))
    this.standing = now
  }

  private born(birth: Birth | undefined): void {
    if (birth === undefined) return
    const { worker, incarnation } = birth
    const before = this.incarnations.get(worker)
    if (before !== undefined && before !== incarnation) this.deaths.push(`${worker}: born anew`)
    this.incarnations.set(worker, incarnation)
  }

  private crashed(crash: Crash | undefined): void {
    if (crash !== undefined) this.deaths.push(`${crash.worker}: a process of its crashed`)
  }
}
