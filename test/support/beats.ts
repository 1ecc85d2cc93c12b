import { type Cluster } from '../../config/index.js'
import { Beat, decodeControl } from '../../core/control/index.js'

/** For how long no beat came from which worker. */
export class Beats {
  private readonly last = new Map<string, number>()
  private readonly silent = new Map<string, number>()

  static async listen(cluster: Cluster): Promise<Beats> {
    const beats = new Beats()
    await cluster.control.subscribe(cluster.topics.worker.beats, ({ payload }) => {
      const beat = decodeControl(Beat, payload)
      if (beat !== undefined) beats.heard(beat.worker)
    })
    return beats
  }

  longestSilences(): Map<string, number> {
    for (const worker of this.last.keys()) this.heard(worker)
    return new Map(this.silent)
  }

  private heard(worker: string): void {
    const now = performance.now()
    const before = this.last.get(worker) ?? now
    this.last.set(worker, now)
    this.silent.set(worker, Math.max(this.silent.get(worker) ?? 0, now - before))
  }
}
