import { addressOf } from './names.js'

/** Bytes that may leave at once: enough for timers of 4 ms, and for a few packets on the slowest links. */
const BURST_MS = 4
const LEAST_BURST = 8_000
/** What a port of the switch holds back for a busy receiver, before it drops. */
const PORT_QUEUE_MS = 200
const LEAST_PORT_QUEUE = 128 * 1024
const QUEUE_PACKETS = 1_000
/** Of a class whose queue takes nothing in. */
const CLOSED_MBPS = 0.008
/** The share of a device's link that traffic to no device (address resolution) is sure of. */
const OTHER_SHARE = 0.01
const FIRST_CLASS = 0x10

/** The class, and the queue in it, of what a device sends to the device at `index`. */
export function classOf(index: number): string {
  return (FIRST_CLASS + index).toString(16)
}

/** Of a class or of a queue's parent, such as `1:1a`: the index of the device; undefined for another class. */
export function indexOfClass(id: string): number | undefined {
  const index = Number.parseInt(id.split(':')[1] ?? '', 16) - FIRST_CLASS
  return index >= 0 ? index : undefined
}

/**
 * What `tc` is to do so that a device sends `row[to]` 10^6 bit/s at most to each device, and the largest of them in
 * all, as through one network card; 0: what it sends there is lost, as in a firewall. Can be done again with other
 * figures.
 * @param delayMs  one way; 0 where the kernel cannot
 */
export function sendRates(row: readonly number[], delayMs: number): string[] {
  const most = Math.max(...row)
  const sum = row.reduce((total, mbps) => total + mbps, 0)
  // What classes are sure of may not exceed what there is, or the limit of all together would not hold.
  const sure = ((1 - OTHER_SHARE) * most) / sum
  const classes = row.flatMap((mbps, to) => {
    const [rate, ceil] = mbps === 0 ? [CLOSED_MBPS, CLOSED_MBPS] : [sure * mbps, mbps]
    const id = classOf(to)
    return [
      htbClass('1:1', `1:${id}`, rate, ceil),
      `qdisc replace dev eth0 parent 1:${id} handle ${id}: ${queue(mbps === 0 ? 0 : QUEUE_PACKETS, delayMs)}`,
    ]
  })
  return [htbClass('1:', '1:1', most, most), htbClass('1:1', '1:2', OTHER_SHARE * most, most), ...classes]
}

/** What `tc` is to do once, before and after `sendRates`, to sort what a device sends by its destination. */
export function sendFilters(devices: number): { readonly before: string[]; readonly after: string[] } {
  const after = Array.from(
    { length: devices },
    (_, to) =>
      `filter add dev eth0 parent 1: protocol ip prio 1 u32 match ip dst ${addressOf(to)}/32 flowid 1:${classOf(to)}`,
  )
  return { before: ['qdisc add dev eth0 root handle 1: htb default 2'], after }
}

function queue(packets: number, delayMs: number): string {
  return delayMs > 0 ? `netem limit ${packets} delay ${delayMs}ms` : `pfifo limit ${packets}`
}

/** What `tc` is to do so that a device receives, on its port of the switch, as much as its fastest link brings. */
export function receiveRate(port: string, column: readonly number[]): string {
  const bits = Math.max(...column) * 1e6
  const limit = Math.max(LEAST_PORT_QUEUE, bytesIn(bits, PORT_QUEUE_MS))
  return `qdisc replace dev ${port} root tbf rate ${Math.round(bits)}bit burst ${burst(bits)} limit ${limit}`
}

function htbClass(parent: string, id: string, mbps: number, ceilMbps: number): string {
  const [rate, ceil] = [mbps * 1e6, ceilMbps * 1e6]
  const bursts = `burst ${burst(rate)} cburst ${burst(ceil)}`
  return `class replace dev eth0 parent ${parent} classid ${id} htb rate ${Math.round(rate)}bit ceil ${Math.round(ceil)}bit ${bursts} quantum 15000`
}

function burst(bitsPerSecond: number): number {
  return Math.max(LEAST_BURST, bytesIn(bitsPerSecond, BURST_MS))
}

function bytesIn(bitsPerSecond: number, ms: number): number {
  return Math.ceil((bitsPerSecond / 8) * (ms / 1_000))
}
