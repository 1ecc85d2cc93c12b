import { type Bus } from '../../core/bus.js'
import {
  type Activation,
  type Desired,
  encodeControl,
  type PartSource,
  type Probes,
} from '../../core/control/index.js'
import { type Topics } from '../../core/topics.js'
import { type PartStore } from '../model-store/index.js'

/** What every worker should run, over all pipelines, and the only writer of it (decision D5). */
export class Assignments {
  private readonly desired = new Map<string, readonly Activation[]>()
  private readonly probes = new Map<string, Probes>()
  /** By worker, and then by pipeline. */
  private readonly prefetches = new Map<string, Map<string, readonly PartSource[]>>()

  constructor(
    private readonly bus: Bus,
    private readonly topics: Topics,
    private readonly term: number,
    private readonly store: PartStore,
  ) {}

  /** Takes over what an earlier supervisor wrote. */
  async adopt(worker: string, activations: readonly Activation[]): Promise<void> {
    if (this.desired.has(worker)) return
    this.desired.set(worker, activations)
    await this.hold(worker, activations)
  }

  /** All that somebody is to run of a pipeline in one epoch. */
  of(pipeline: string, epoch: number): Activation[] {
    const all = [...this.desired.values()].flat()
    return all.filter(activation => activation.pipeline === pipeline && activation.epoch === epoch)
  }

  /** All that one worker is to run. */
  ofWorker(worker: string): readonly Activation[] {
    return this.desired.get(worker) ?? []
  }

  /** Adds activations, keyed by worker. */
  async add(activations: ReadonlyMap<string, readonly Activation[]>): Promise<void> {
    await Promise.all(
      [...activations].map(([worker, added]) =>
        this.write(worker, [...(this.desired.get(worker) ?? []), ...added]),
      ),
    )
  }

  /** Takes away what `gone` says. */
  async remove(gone: (activation: Activation) => boolean): Promise<void> {
    const changed = [...this.desired].filter(([, activations]) => activations.some(gone))
    await Promise.all(
      changed.map(([worker, activations]) =>
        this.write(
          worker,
          activations.filter(activation => !gone(activation)),
        ),
      ),
    )
  }

  /** @param probes  left out: none any more */
  async probe(worker: string, probes: Probes | undefined): Promise<void> {
    if (probes === undefined) this.probes.delete(worker)
    else this.probes.set(worker, probes)
    await this.write(worker, this.desired.get(worker) ?? [])
  }

  /**
   * @param parts  by worker: what each is to have of a pipeline beside what it runs, in place of what it was to before
   */
  async prefetch(pipeline: string, parts: ReadonlyMap<string, readonly PartSource[]>): Promise<void> {
    const workers = new Set([...this.prefetches.keys(), ...parts.keys()])
    const changed = [...workers].filter(worker => {
      const known = this.prefetches.get(worker) ?? new Map<string, readonly PartSource[]>()
      const [before, after] = [known.get(pipeline) ?? [], parts.get(worker) ?? []]
      known.set(pipeline, after)
      this.prefetches.set(worker, known)
      return JSON.stringify(before) !== JSON.stringify(after)
    })
    await Promise.all(changed.map(worker => this.write(worker, this.desired.get(worker) ?? [])))
  }

  private async write(worker: string, activations: readonly Activation[]): Promise<void> {
    this.desired.set(worker, activations)
    await this.hold(worker, activations)
    // What is wanted may be more by now.
    const [wanted, probes] = [this.desired.get(worker) ?? [], this.probes.get(worker)]
    const prefetch = [...(this.prefetches.get(worker)?.values() ?? [])].flat()
    const message: Desired = {
      ...{ term: this.term, activations: [...wanted], probes },
      ...(prefetch.length === 0 ? {} : { prefetch }),
    }
    const nothing = wanted.length + prefetch.length === 0 && probes === undefined
    const payload = nothing ? new Uint8Array() : encodeControl(message)
    await this.bus.publish(this.topics.worker.desired(worker), payload, { qos: 1, retain: true })
  }

  /** Workers may ask for these again at any time. */
  private hold(worker: string, activations: readonly Activation[]): Promise<void> {
    return this.store.hold(
      `worker ${worker}`,
      activations.map(({ part }) => part.sha256),
    )
  }
}
