import { activationKeyOf, type Beat, type Findings, type Plan } from '../../core/control/index.js'
import { type WorkerRegistry } from './registry.js'
import { type Expected, Slowness, type SlownessOptions } from './slowness.js'
import { Stalls } from './stalls.js'

export interface FindingOptions extends SlownessOptions {
  readonly stalledAfterMs: number
}

/** What is wrong with workers that have something to run: dead, stalled and slow are three things (decision D3). */
export class WorkerFindings {
  private readonly slowness: Slowness
  private readonly stalls: Stalls

  constructor(
    private readonly registry: WorkerRegistry,
    private readonly plans: () => Iterable<Plan>,
    options: FindingOptions,
  ) {
    this.slowness = new Slowness(options, key => this.expected(key))
    this.stalls = new Stalls(options.stalledAfterMs, key => this.expected(key)?.runMs)
  }

  beaten(beat: Beat): void {
    this.slowness.beaten(beat)
    this.stalls.beaten(beat)
  }

  /** How many times slower than usual a worker is: 1 or more. */
  slowdownOf(worker: string): number {
    return this.slowness.of(worker)
  }

  isStalled(key: string): boolean {
    return this.stalls.has(key)
  }

  /** In the order of names. */
  all(): Findings['findings'] {
    const plans = [...this.plans()]
    const lost = plans
      .flatMap(({ stages }) => stages.map(({ worker }) => worker))
      .filter(
        worker => this.registry.get(worker) === undefined && !this.registry.isSettling(new Set([worker])),
      )
    const stalled = plans.flatMap(({ pipeline, epoch, stages }) =>
      stages
        .filter(one => this.isStalled(activationKeyOf({ pipeline, epoch, ...one })))
        .map(
          ({ worker, stage }) => [worker, `an inference of stage ${stage} of '${pipeline}' hangs`] as const,
        ),
    )
    const slow = this.registry.alive().flatMap(({ birth: { worker } }) => {
      const slowdown = this.slowdownOf(worker)
      return slowdown > 1 ? [{ worker, slowdown }] : []
    })
    const found: Findings['findings'] = [
      ...slow.map(({ worker, slowdown }) => {
        const message = `takes ${slowdown} times as long as usual, and others do not`
        return { worker, code: 'WORKER_SLOW' as const, message, slowdown }
      }),
      ...stalled.map(([worker, message]) => ({ worker, code: 'WORKER_STALLED' as const, message })),
      ...lost.map(worker => ({ worker, code: 'WORKER_LOST' as const, message: 'it does not beat any more' })),
    ]
    // The worst of each worker.
    const byWorker = new Map(found.map(finding => [finding.worker, finding]))
    return [...byWorker.values()].sort((a, b) => a.worker.localeCompare(b.worker, 'en', { numeric: true }))
  }

  private expected(key: string): Expected | undefined {
    for (const { pipeline, epoch, stages } of this.plans()) {
      const planned = stages.find(one => activationKeyOf({ pipeline, epoch, ...one }) === key)
      if (planned === undefined) continue
      const all = stages.filter(({ stage }) => stage === planned.stage)
      const share = planned.weight / all.reduce((sum, { weight }) => sum + weight, 0)
      return { runMs: planned.computeMs / share / (planned.slowdown ?? 1) }
    }
    return undefined
  }
}
