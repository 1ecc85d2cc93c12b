import { type PlanReason } from '../../core/control/index.js'
import { type WorkerRegistry, type WorkerView } from './registry.js'

interface Circumstance {
  readonly incarnation: number
  readonly slowdown: number
  /** Speed, memory and links, as far as they matter. */
  readonly rest: string
}

/** All of the workers that a plan depends on, by their names. */
export type Circumstances = ReadonlyMap<string, Circumstance>

/** A figure that changed by less is the same. */
const STEP = 1.25
/** No link is too slow for frames that does so much; measurements of faster ones differ widely. */
const FAST_MBPS = 1_000
/** Who has not measured itself by then does not. */
const MEASURED_MS = 15_000

export function circumstancesOf(
  registry: WorkerRegistry,
  slowdownOf: (worker: string) => number,
): Circumstances {
  const alive = registry.alive()
  const some = alive.some(({ birth }) => birth.speed !== undefined)
  const measured = alive.filter(({ birth }) => {
    return !some || birth.speed !== undefined || registry.announcedMs(birth.worker) > MEASURED_MS
  })
  return new Map(
    measured.map(view => {
      const { worker, incarnation } = view.birth
      return [worker, { incarnation, slowdown: slowdownOf(worker), rest: restOf(view, registry) }]
    }),
  )
}

function restOf({ birth }: WorkerView, { links: live }: WorkerRegistry): string {
  const { worker, speed, linkMbps, availableBytes, memoryBytes, inbox } = birth
  const toBroker = linkMbps && Math.min(linkMbps * live.share(worker), FAST_MBPS)
  const figures = [speed?.convGflops, speed?.matmulGflops, toBroker, availableBytes ?? memoryBytes]
  const links = live
    .linksOf(worker)
    .map(({ to, mbps }) => `${to} ${stepOf(Math.min(mbps, FAST_MBPS))}`)
    .sort()
  return [...figures.map(stepOf), inbox !== undefined, ...links].join(' ')
}

function stepOf(figure: number | undefined): number | undefined {
  return figure === undefined ? undefined : Math.round(Math.log(Math.max(figure, 1e-9)) / Math.log(STEP))
}

/** What has changed that matters most; undefined: nothing has. */
export function differenceOf(before: Circumstances, after: Circumstances): PlanReason | undefined {
  const both = [...after].flatMap(([worker, now]) => {
    const then = before.get(worker)
    return then?.incarnation === now.incarnation ? [{ then, now }] : []
  })
  if (both.some(({ then, now }) => now.slowdown > then.slowdown)) return 'worker slow'
  if (both.length < after.size) return 'worker joined'
  if (both.length < before.size) return 'worker lost'
  const isOther = ({ then, now }: (typeof both)[number]) =>
    then.slowdown !== now.slowdown || then.rest !== now.rest
  return both.some(isOther) ? 'worker changed' : undefined
}
