import { type Instance } from './instance.js'
import { type Links, rateOf } from './links.js'

/**
 * Puts devices together that a plan cannot tell apart: swapping two of a class leaves every cost as it is. A plan is then
 * a matter of how many of each class a stage has, not of which.
 * @returns classes in the order of their first devices, devices ascending
 */
export function classesOf(instance: Instance): number[][] {
  const classes: number[][] = []
  for (const device of instance.singles.keys()) {
    // Swapping a with b and b with c makes a swap of a with c, so comparing with one of the class will do.
    const alike = classes.find(([first]) => first !== undefined && interchangeable(instance, first, device))
    if (alike === undefined) classes.push([device])
    else alike.push(device)
  }
  return classes
}

/** The links between classes; those within a class are at [i][i]. */
export function linksBetween(links: Links, classes: readonly (readonly number[])[]): Links {
  const dispatcher = links.size - 1
  const firsts = [...classes.map(([first]) => first ?? 0), dispatcher]
  const others = [...classes.map(([first, second]) => second ?? first ?? 0), dispatcher]
  const size = firsts.length
  const rates = new Float64Array(size * size)
  for (const [i, from] of firsts.entries()) {
    for (const [j, to] of firsts.entries()) {
      rates[i * size + j] = rateOf(links, from, i === j ? (others[j] as number) : to)
    }
  }
  return {
    size,
    rates,
    sendRates: Float64Array.from(firsts, device => links.sendRates[device] as number),
    receiveRates: Float64Array.from(firsts, device => links.receiveRates[device] as number),
    messageMs: links.messageMs,
  }
}

function interchangeable({ problem, links }: Instance, a: number, b: number): boolean {
  const [one, two] = [problem.devices[a], problem.devices[b]]
  const same =
    one?.speed === two?.speed &&
    one?.memoryBytes === two?.memoryBytes &&
    one?.sendRate === two?.sendRate &&
    one?.receiveRate === two?.receiveRate
  if (!same || rateOf(links, a, b) !== rateOf(links, b, a)) return false
  const pinned = [...(problem.pinned?.values() ?? [])]
  if (pinned.includes(a) || pinned.includes(b)) return false
  for (let other = 0; other < links.size; other++) {
    if (other === a || other === b) continue
    if (rateOf(links, a, other) !== rateOf(links, b, other)) return false
    if (rateOf(links, other, a) !== rateOf(links, other, b)) return false
  }
  return true
}
