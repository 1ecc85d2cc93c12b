import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { auditTime, concatMap, type Observable, takeUntil } from 'rxjs'
import { type Probes } from '../../core/control/index.js'
import { quantile } from '../../core/costs/index.js'
import { MillraceError } from '../../core/errors.js'
import { isLoopback } from '../../core/link.js'
import { type Assignments } from './assignments.js'
import { type LinkReport } from './live-links.js'
import { type WorkerRegistry, type WorkerView } from './registry.js'

interface Probe {
  readonly from: string
  readonly to: string
  readonly url: string
  readonly username: string
  readonly password: string
  readonly again: boolean
  /** What was known of the link when it was asked for. */
  readonly before: LinkReport | undefined
}

/** Workers that join at about the same time are asked together. */
const GATHER_MS = 500
/** Of one worker in one round, on either side: its desired state stays small, and what it does is soon done. */
const MOST_EACH = 8
/** What was not measured by then cannot be. */
const ROUND_LIMIT_MS = 30_000
const PASSWORD_BYTES = 24
/** A figure that is so many times below those in the middle is doubted: one of the two may have been busy. */
const DOUBTFUL = 2
/** As often as that it is measured. */
const MOST_RUNS = 3

/**
 * Has each pair of workers measure the link between them when the later of the two has joined: the one that comes first in
 * the order of their names measures. So is a link that frames have shown to be otherwise, when none goes over it any more.
 * When all are known, those that seem slow are measured again. In rounds, each of which is a part of what the workers desire.
 */
export class LinkProbes {
  /** The incarnations, by the names, of pairs that were asked for in this term or had been measured before it. */
  private readonly asked = new Map<string, string>()
  /** How often pairs of incarnations were asked again. */
  private readonly doubted = new Map<string, number>()
  private round: readonly Probe[] = []
  private roundEndsAt = 0

  constructor(
    private readonly registry: WorkerRegistry,
    private readonly assignments: Assignments,
    private readonly now: () => number = Date.now,
  ) {}

  /** Follows the workers until `end$`. */
  watch(end$: Observable<unknown>, onTrouble: (error: MillraceError) => void): void {
    const updates = this.registry.change$.pipe(
      auditTime(GATHER_MS),
      takeUntil(end$),
      concatMap(() => this.update().catch((error: unknown) => onTrouble(MillraceError.from(error)))),
    )
    updates.subscribe()
  }

  /** Begins the next round when the last one is over; resolves when the workers have been asked. */
  async update(): Promise<void> {
    const workers = this.registry.alive().filter(({ birth }) => isFarReachable(birth.inbox))
    const open = this.now() < this.roundEndsAt && this.round.some(probe => this.isOpen(probe))
    if (open) return
    const before = this.round
    const known = medianOf(workers)
    const { links } = this.registry
    const isOld = (from: WorkerView, to: WorkerView) =>
      !this.isKnown(from, to) || links.isDoubtful(from.birth.worker, to.birth.worker)
    const unknown = this.nextRound(workers, isOld, false)
    this.round =
      unknown.length > 0 ? unknown : this.nextRound(workers, (from, to) => this.doubts(known, from, to), true)
    this.roundEndsAt = this.now() + ROUND_LIMIT_MS
    const touched = new Set([...before, ...this.round].flatMap(({ from, to }) => [from, to]))
    await Promise.all([...touched].map(worker => this.assignments.probe(worker, this.probesOf(worker))))
  }

  /** Pairs near to each other in the order of names first, so that at a time each is measured by one other at most. */
  private nextRound(
    workers: readonly WorkerView[],
    isWanted: (from: WorkerView, to: WorkerView) => boolean,
    again: boolean,
  ): Probe[] {
    const counts = { from: new Map<string, number>(), to: new Map<string, number>() }
    const isFree = (side: keyof typeof counts, name: string) => (counts[side].get(name) ?? 0) < MOST_EACH
    const count = (side: keyof typeof counts, name: string) =>
      counts[side].set(name, (counts[side].get(name) ?? 0) + 1)
    const probes: Probe[] = []
    for (let distance = 1; distance < workers.length; distance++) {
      for (const [i, from] of workers.entries()) {
        const to = workers[i + distance]
        if (to === undefined) continue
        const [source, target] = [from.birth.worker, to.birth.worker]
        if (!isFree('from', source) || !isFree('to', target) || !isWanted(from, to)) continue
        count('from', source)
        count('to', target)
        this.note(from, to)
        probes.push(probeOf(from, to, again))
      }
    }
    return probes
  }

  /** Also by an earlier supervisor, while neither of the two has joined anew in this term. */
  private isKnown(from: WorkerView, to: WorkerView): boolean {
    const asked = this.asked.get(namesOf(from, to))
    if (asked !== undefined) return asked === incarnationsOf(from, to)
    const known = figureOf(from, to.birth.worker) !== undefined
    if (known) this.note(from, to)
    return known
  }

  /** Each time is counted, as the pair may not be there to be measured. */
  private doubts(median: number, from: WorkerView, to: WorkerView): boolean {
    const { mbps = Infinity, runs = 1 } = figureOf(from, to.birth.worker) ?? {}
    const pair = `${namesOf(from, to)} ${incarnationsOf(from, to)}`
    const asked = this.doubted.get(pair) ?? 0
    if (mbps * DOUBTFUL >= median || Math.max(runs, asked + 1) >= MOST_RUNS) return false
    this.doubted.set(pair, asked + 1)
    return true
  }

  private note(from: WorkerView, to: WorkerView): void {
    this.asked.set(namesOf(from, to), incarnationsOf(from, to))
  }

  private isOpen({ from, to, before }: Probe): boolean {
    const [source, target] = [this.registry.get(from), this.registry.get(to)]
    if (source === undefined || target === undefined) return false
    const figure = figureOf(source, to)
    return figure === undefined || isDeepStrictEqual(figure, before)
  }

  private probesOf(worker: string): Probes | undefined {
    const accept = this.round.filter(({ to }) => to === worker)
    const measure = this.round.filter(({ from }) => from === worker)
    if (accept.length + measure.length === 0) return undefined
    return {
      accept: accept.map(({ username, password }) => ({ username, password })),
      measure: measure.map(({ to, url, username, password, again }) => ({
        ...{ to, url, username, password, again },
      })),
    }
  }
}

function probeOf(source: WorkerView, target: WorkerView, again: boolean): Probe {
  const [from, to] = [source.birth.worker, target.birth.worker]
  const password = randomBytes(PASSWORD_BYTES).toString('base64url')
  const who = { username: `probe/${from}/${to}`, password }
  return { from, to, url: target.birth.inbox ?? '', ...who, again, before: figureOf(source, to) }
}

/** Of all links that are known, in 10^6 bit/s. */
function medianOf(workers: readonly WorkerView[]): number {
  const names = new Set(workers.map(({ birth }) => birth.worker))
  const links = workers.flatMap(({ actual }) => actual?.links ?? []).filter(({ to }) => names.has(to))
  return quantile(
    links.map(({ mbps }) => mbps),
    0.5,
  )
}

function namesOf({ birth: from }: WorkerView, { birth: to }: WorkerView): string {
  return `${from.worker} ${to.worker}`
}

function incarnationsOf({ birth: from }: WorkerView, { birth: to }: WorkerView): string {
  return `${from.incarnation} ${to.incarnation}`
}

function figureOf({ actual }: WorkerView, to: string): LinkReport | undefined {
  return actual?.links?.find(link => link.to === to)
}

/** Within one machine a link is not worth a plan's attention. */
function isFarReachable(inbox: string | undefined): boolean {
  return inbox !== undefined && URL.canParse(inbox) && !isLoopback(new URL(inbox).hostname)
}
