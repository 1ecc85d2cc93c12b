import { classesOf, linksBetween } from './classes.js'
import { type Host, type HostedStage, hostOf, type Instance, TOLERANCE } from './instance.js'
import { type Links } from './links.js'

/**
 * Every selection of devices, as far as it matters: how many of each class. A selection is a number, its counts the
 * digits, so that the selection without some of its devices is their difference, and smaller.
 */
export interface Selections {
  /** Of all devices; selections are 1 to `all`. */
  readonly all: number
  /** Of all devices of a selection together. */
  readonly speedOf: Float64Array
  readonly countOf: Int32Array
  /** What may run a stage: members are classes, not devices. */
  readonly hosts: readonly Host[]
  /** The selection that each host is. */
  readonly codes: Int32Array
  /** Links between classes. */
  readonly links: Links
  /** The hosts within selection s are `parts[starts[s]]` up to `parts[starts[s + 1]]`. */
  readonly starts: Int32Array
  readonly parts: Int32Array
  /** Names the devices: the first free ones of each class, in the order of stages. */
  named(stages: readonly HostedStage[]): HostedStage[]
}

/** How large the tables of `selectionsOf` and of a search over them would be. */
export interface Size {
  readonly hosts: number
  /** Pairs of a selection and a host in it. */
  readonly parts: number
  /** Triples of a selection, a host in it, and another host in the rest. */
  readonly steps: number
}

export function sizeOf(instance: Instance): Size {
  const counts = classesOf(instance).map(({ length }) => length)
  const product = (of: (count: number) => number) => counts.reduce((all, count) => all * of(count), 1)
  if (instance.problem.replicas) {
    return {
      hosts: product(count => count + 1),
      parts: product(count => ((count + 1) * (count + 2)) / 2),
      steps: product(count => ((count + 1) * (count + 2) * (count + 3)) / 6),
    }
  }
  const all = product(count => count + 1)
  return { hosts: counts.length, parts: all * counts.length, steps: all * counts.length ** 2 }
}

export function selectionsOf(instance: Instance): Selections {
  const classes = classesOf(instance)
  const strides: number[] = []
  let size = 1
  for (const { length } of classes) {
    strides.push(size)
    size *= length + 1
  }
  const countsOf = (code: number) =>
    classes.map(({ length }, i) => Math.floor(code / (strides[i] as number)) % (length + 1))
  const codes = instance.problem.replicas ? Array.from({ length: size - 1 }, (_, i) => i + 1) : strides
  const speeds = classes.map(([first]) => instance.singles[first ?? 0]?.speed ?? 0)
  const speedOf = Float64Array.from({ length: size }, (_, code) =>
    countsOf(code).reduce((sum, count, i) => sum + count * (speeds[i] as number), 0),
  )
  return {
    all: size - 1,
    speedOf,
    countOf: Int32Array.from({ length: size }, (_, code) =>
      countsOf(code).reduce((sum, count) => sum + count, 0),
    ),
    hosts: codes.map(code => hostOfCounts(instance, classes, countsOf(code))),
    codes: Int32Array.from(codes),
    links: linksBetween(instance.links, classes),
    ...partsOf(size, strides, countsOf, instance.problem.replicas),
    named: stages => named(instance, classes, stages),
  }
}

/**
 * The first position at which the last stage on the devices used can end, so that the others can compute what is left
 * within a time. One past the end where no others are left: a plan that is not finished then never is.
 */
export function leastEnd(
  { computeAfter, end }: Instance,
  { speedOf, all }: Selections,
  used: number,
  withinMs: number,
): number {
  if (used === all) return end + 1
  // Without the last factor, sums in another order could deny by a rounding error what the tables allow.
  const most = withinMs * ((speedOf[all] as number) - (speedOf[used] as number)) * (1 + TOLERANCE)
  let position = 1
  while ((computeAfter[position] as number) > most) position++
  return position
}

/** Hosts are in the order of `selectionsOf`: by code where a host may have several devices, else by class. */
function partsOf(
  size: number,
  strides: readonly number[],
  countsOf: (code: number) => number[],
  replicas: boolean,
): Pick<Selections, 'starts' | 'parts'> {
  const starts = new Int32Array(size + 1)
  const parts: number[] = []
  for (let code = 1; code < size; code++) {
    const counts = countsOf(code)
    if (replicas) {
      let within = [0]
      for (const [i, count] of counts.entries()) {
        if (count === 0) continue
        const stride = strides[i] as number
        within = Array.from({ length: count + 1 }, (_, n) => within.map(part => part + n * stride)).flat()
      }
      for (const part of within) if (part > 0) parts.push(part - 1)
    } else {
      for (const [i, count] of counts.entries()) if (count > 0) parts.push(i)
    }
    starts[code + 1] = parts.length
  }
  return { starts, parts: Int32Array.from(parts) }
}

function hostOfCounts(
  { problem }: Instance,
  classes: readonly (readonly number[])[],
  counts: readonly number[],
): Host {
  const devices = counts.flatMap((count, i) => (classes[i] ?? []).slice(0, count))
  return { ...hostOf(problem, devices), members: counts.flatMap((count, i) => Array<number>(count).fill(i)) }
}

function named(
  { problem }: Instance,
  classes: readonly (readonly number[])[],
  stages: readonly HostedStage[],
): HostedStage[] {
  const used = classes.map(() => 0)
  return stages.map(({ from, to, host }) => {
    const devices = host.members.map(member => {
      const next = used[member] as number
      used[member] = next + 1
      return classes[member]?.[next] ?? 0
    })
    return { from, to, host: hostOf(problem, devices) }
  })
}
