import { transferMs } from '../objective.js'
import { type PlanProblem } from '../problem.js'

/** Devices that take a stage's frames in turn, and the share of the frames that each takes. The shares sum to 1. */
export interface Ends {
  readonly members: readonly number[]
  readonly shares: readonly number[]
}

/** What is between devices 0, 1, ... and the dispatcher, which is the last. */
export interface Links {
  readonly size: number
  /** `[from * size + to]`, in bytes per ms. */
  readonly rates: Float64Array
  readonly sendRates: Float64Array
  readonly receiveRates: Float64Array
  readonly messageMs: number
}

export function linksOf({ devices, network }: PlanProblem): Links {
  const size = devices.length + 1
  const rates = new Float64Array(size * size)
  network.rates.forEach((row, from) => row.forEach((rate, to) => (rates[from * size + to] = rate)))
  return {
    size,
    rates,
    sendRates: Float64Array.from([...devices.map(({ sendRate }) => sendRate), network.dispatcherSendRate]),
    receiveRates: Float64Array.from([
      ...devices.map(({ receiveRate }) => receiveRate),
      network.dispatcherReceiveRate,
    ]),
    messageMs: network.messageMs,
  }
}

export function dispatcherOf({ size }: Links): Ends {
  return { members: [size - 1], shares: [1] }
}

/** How long the slowest of the links and network cards between two groups is busy with an average frame. */
export function hopMs(links: Links, from: Ends, to: Ends, bytes: number): number {
  let worst = 0
  for (let i = 0; i < from.members.length; i++) {
    const sender = from.members[i] as number
    const share = from.shares[i] as number
    worst = Math.max(worst, transferMs(share * bytes, links.sendRates[sender] as number))
    for (let j = 0; j < to.members.length; j++) {
      const both = share * (to.shares[j] as number)
      const rate = rateOf(links, sender, to.members[j] as number)
      worst = Math.max(worst, both * (transferMs(bytes, rate) + links.messageMs))
    }
  }
  for (let j = 0; j < to.members.length; j++) {
    const rate = links.receiveRates[to.members[j] as number] as number
    worst = Math.max(worst, transferMs((to.shares[j] as number) * bytes, rate))
  }
  return worst
}

/** The most bytes of a frame for which `hopMs` is at most `withinMs`; -1 where not even an empty message gets through. */
export function hopCapacity(links: Links, from: Ends, to: Ends, withinMs: number): number {
  const { sendRates, receiveRates, messageMs } = links
  let least = Infinity
  for (let i = 0; i < from.members.length; i++) {
    const sender = from.members[i] as number
    const share = from.shares[i] as number
    least = Math.min(least, bytesWithin(withinMs / share, sendRates[sender] as number))
    for (let j = 0; j < to.members.length; j++) {
      const both = share * (to.shares[j] as number)
      const rate = rateOf(links, sender, to.members[j] as number)
      least = Math.min(least, bytesWithin(withinMs / both - messageMs, rate))
    }
  }
  for (let j = 0; j < to.members.length; j++) {
    const receiver = to.members[j] as number
    least = Math.min(
      least,
      bytesWithin(withinMs / (to.shares[j] as number), receiveRates[receiver] as number),
    )
  }
  return least
}

/** Time of a byte on its way between two groups, in the mean over their members. */
export function msPerByte(links: Links, from: Ends, to: Ends): number {
  let sum = 0
  for (const [i, sender] of from.members.entries()) {
    for (const [j, receiver] of to.members.entries()) {
      sum +=
        (from.shares[i] as number) * (to.shares[j] as number) * transferMs(1, rateOf(links, sender, receiver))
    }
  }
  return sum
}

export function rateOf({ rates, size }: Links, from: number, to: number): number {
  return rates[from * size + to] as number
}

function bytesWithin(ms: number, rate: number): number {
  if (ms < 0 || rate === 0) return -1
  return rate === Infinity ? Infinity : ms * rate
}
