import { fits, type Instance, stageMs } from './instance.js'
import { hopMs, rateOf } from './links.js'
import { transferMs } from '../objective.js'

/**
 * What no plan can be faster than, from each of its parts on its own; 0 or more, Infinity where no chain of stages fits
 * the devices. Cheap: O(blocks^2 * devices + blocks * devices^2).
 */
export function lowerBound(instance: Instance): number {
  return Math.max(slowestPartBound(instance), speedBound(instance))
}

/**
 * Every plan is a chain of stages and hops from the first position to the last, and is as slow as the slowest of them.
 * So the least, over all chains, of the slowest of what each stage and each hop costs at the least, wherever it is
 * placed, bounds all plans. This has in it the largest block on the fastest device, the hops of input and results, and the
 * cheapest cuts that memory forces, over the best links.
 */
export function slowestPartBound(instance: Instance): number {
  const { end, problem } = instance
  const hop = problem.replicas ? pooledHopBound : bestHopBound
  const stage = problem.replicas ? pooledStageBound : bestStageBound
  const least = new Float64Array(end + 1).fill(Infinity)
  least[0] = hop(instance, 0)
  for (let to = 1; to <= end; to++) {
    const after = hop(instance, to)
    for (let from = 0; from < to; from++) {
      const before = Math.max(least[from] as number, after)
      if (before < (least[to] as number)) {
        least[to] = Math.min(least[to] as number, Math.max(before, stage(instance, from, to)))
      }
    }
  }
  return least[end] as number
}

/**
 * If no device is busy for longer than T with a frame, all of them do at most T times the sum of their speeds. A plan's
 * work is its compute and its codecs, at least those of the chain of stages, each within some device's memory, that has
 * least in all.
 */
export function speedBound(instance: Instance): number {
  const { end, work, singles } = instance
  const least = new Float64Array(end + 1).fill(Infinity)
  least[0] = 0
  for (let to = 1; to <= end; to++) {
    for (let from = 0; from < to; from++) {
      const sum = (least[from] as number) + (work[from * (end + 1) + to] as number)
      if (sum < (least[to] as number) && singles.some(host => fits(instance, host, from, to))) least[to] = sum
    }
  }
  return (least[end] as number) / singles.reduce((sum, { speed }) => sum + speed, 0)
}

/** One device runs the stage: at best the fastest of those that it fits. */
function bestStageBound(instance: Instance, from: number, to: number): number {
  let least = Infinity
  for (const host of instance.singles) least = Math.min(least, stageMs(instance, host, from, to))
  return least
}

/** Replicas each need the stage's memory, and divide its work by their speeds: at best all that it fits take part. */
function pooledStageBound(instance: Instance, from: number, to: number): number {
  let speed = 0
  for (const host of instance.singles) if (fits(instance, host, from, to)) speed += host.speed
  return speed === 0 ? Infinity : (instance.work[from * (instance.end + 1) + to] as number) / speed
}

/** One link carries the hop: at best the best of all. */
function bestHopBound(instance: Instance, position: number): number {
  const { links, bytes, end, singles, dispatcher } = instance
  let least = Infinity
  for (const from of position === 0 ? [dispatcher] : singles) {
    for (const to of position === end ? [dispatcher] : singles) {
      if (from !== to) least = Math.min(least, hopMs(links, from, to, bytes[position] as number))
    }
  }
  return least
}

/**
 * Replicas divide the frames of a hop: link l takes a share x_l of them, in a time x_l * c_l that is at most T, and the
 * shares sum to 1. So 1 <= T * sum of 1 / c_l over the links that there are at all; likewise for the network cards.
 */
function pooledHopBound(instance: Instance, position: number): number {
  const { links, bytes, end } = instance
  const size = bytes[position] as number
  const dispatcher = links.size - 1
  const devices = Array.from({ length: dispatcher }, (_, device) => device)
  const senders = position === 0 ? [dispatcher] : devices
  const receivers = position === end ? [dispatcher] : devices
  const linkMs = senders.flatMap(from =>
    receivers
      .filter(to => to !== from)
      .map(to => transferMs(size, rateOf(links, from, to)) + links.messageMs),
  )
  return Math.max(
    pooled(linkMs),
    pooled(senders.map(from => transferMs(size, links.sendRates[from] as number))),
    pooled(receivers.map(to => transferMs(size, links.receiveRates[to] as number))),
  )
}

function pooled(times: readonly number[]): number {
  return 1 / times.reduce((sum, ms) => sum + 1 / ms, 0)
}
