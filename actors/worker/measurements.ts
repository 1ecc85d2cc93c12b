import { type Actual, type Birth, type Probes } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type LinkFigure } from '../benchmark/index.js'
import { type Runtime } from '../runtime/index.js'

type Links = NonNullable<Actual['links']>

export const NO_PROBES: Probes = { accept: [], measure: [] }

export interface Listeners {
  onSpeed(): void
  onLinks(): void
  /** A benchmark that does not work says something about ONNX Runtime on this machine. */
  onTrouble(error: MillraceError): void
}

/** What a worker finds out about itself and its links while it lives: one thing after the other, in its runtime. */
export class Measurements {
  speed: Birth['speed']
  private readonly figures = new Map<string, Links[number]>()
  /** Of each peer, the password with which the link to it was measured last, or is to be. */
  private readonly asked = new Map<string, string>()
  private probes = NO_PROBES
  private runtime: Runtime | undefined
  /** Whom the runtime lets in, as far as it was told. */
  private told = NO_PROBES.accept
  private turn: Promise<void> = Promise.resolve()

  constructor(
    /** Whether the speed is still to be measured: once, since it may be what a runtime dies of. */
    private benchmark: boolean,
    private readonly listeners: Listeners,
  ) {}

  links(): Links {
    return [...this.figures.values()]
  }

  /** Goes on with this runtime, which knows nothing of what an earlier one was told. */
  use(runtime: Runtime): void {
    this.runtime = runtime
    this.told = NO_PROBES.accept
    if (this.benchmark) this.queue(() => this.measureSpeed(runtime))
    this.benchmark = false
    for (const { to } of this.probes.measure) if (!this.figures.has(to)) this.asked.delete(to)
    this.begin(runtime)
  }

  /** @param probes  in place of the former; a peer with another password is measured anew */
  apply(probes: Probes): void {
    if (JSON.stringify(probes) === JSON.stringify(this.probes)) return
    this.probes = probes
    if (this.runtime !== undefined) this.begin(this.runtime)
  }

  private begin(runtime: Runtime): void {
    if (this.told !== this.probes.accept) {
      this.told = this.probes.accept
      // A runtime that is gone is told of elsewhere.
      runtime.acceptProbes(this.told).catch(() => undefined)
    }
    for (const { to, password, again } of this.probes.measure) {
      if (this.asked.get(to) === password) continue
      this.asked.set(to, password)
      if (!again && this.figures.delete(to)) this.listeners.onLinks()
      this.queue(() => this.measureLink(runtime, to, password))
    }
  }

  private queue(work: () => Promise<void>): void {
    this.turn = this.turn.then(work)
  }

  private async measureSpeed(runtime: Runtime): Promise<void> {
    if (runtime !== this.runtime) return
    try {
      this.speed = await runtime.measureSpeed()
      this.listeners.onSpeed()
    } catch (error) {
      const failure = MillraceError.from(error)
      if (failure.code !== 'STOPPED' && failure.code !== 'RUNTIME_CRASHED') this.listeners.onTrouble(failure)
    }
  }

  /** A link that cannot be measured is one that nothing is known of. */
  private async measureLink(runtime: Runtime, to: string, password: string): Promise<void> {
    const target = this.probes.measure.find(one => one.to === to && one.password === password)
    if (target === undefined || runtime !== this.runtime) return
    try {
      const { mbps, rttMs } = await runtime.measureLink(target)
      if (this.asked.get(to) !== password) return
      // Machines that are busy make a link seem slower, and nothing makes one seem faster.
      const known = this.figures.get(to)
      this.figures.set(to, known === undefined ? { to, mbps, rttMs } : better(known, { mbps, rttMs }))
      this.listeners.onLinks()
    } catch {
      return
    }
  }
}

function better({ to, mbps, rttMs, runs = 1 }: Links[number], again: LinkFigure): Links[number] {
  return { to, mbps: Math.max(mbps, again.mbps), rttMs: Math.min(rttMs, again.rttMs), runs: runs + 1 }
}
