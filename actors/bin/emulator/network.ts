import { readdir } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { z } from 'zod'
import { type ClusterDescription } from '../../../core/cluster-file.js'
import { addressOf, portOf, type RunNames } from './names.js'
import { indexOfClass, receiveRate, sendFilters, sendRates } from './shaping.js'
import { runTool } from './tools.js'

/** Where `ip netns` keeps its namespaces. */
export const NAMESPACES = '/var/run/netns'
/** As often is a namespace taken away that another takes away too, and so long that one has for it. */
const REMOVALS = 3
const LOOK_MS = 50

/**
 * Makes a network namespace for each device, and one for a switch that joins them; the switch too is out of the way of
 * the machine's own links and of its firewall.
 * @returns whether links have the delay that the description asks for: not where the kernel has no netem
 * @throws EMULATOR_UNAVAILABLE
 */
export async function createNetwork(names: RunNames, cluster: ClusterDescription): Promise<boolean> {
  const spaces = cluster.devices.map(({ id }) => names.namespace(id))
  await runTool(
    ['ip', '-batch', '-'],
    [names.switch, ...spaces].map(space => `netns add ${space}`),
  )
  await runTool(
    ['ip', '-batch', '-'],
    spaces.map(
      (space, i) => `link add eth0 netns ${space} type veth peer name ${portOf(i)} netns ${names.switch}`,
    ),
  )
  await inSwitch(names, 'ip', [
    'link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0',
    ...spaces.flatMap((_, i) => [`link set ${portOf(i)} master br0`, ...raise(portOf(i))]),
    ...raise('br0'),
  ])
  const delayed = cluster.rttMs === 0 || (await hasNetem(names))
  for (const [i, space] of spaces.entries()) {
    await runTool(
      ['ip', '-n', space, '-batch', '-'],
      ['link set lo up', `addr add ${addressOf(i)}/16 dev eth0`, ...raise('eth0')],
    )
    const row = cluster.bandwidthMbps[i] ?? []
    const { before, after } = sendFilters(spaces.length)
    const rates = sendRates(row, delayed ? cluster.rttMs / 2 : 0)
    await runTool(['tc', '-n', space, '-batch', '-'], [...before, ...rates, ...after])
  }
  await inSwitch(names, 'tc', receiveRates(cluster))
  return delayed
}

/** Gives the links other bandwidths, while they are in use. */
export async function changeBandwidth(
  names: RunNames,
  cluster: ClusterDescription,
  delayed: boolean,
): Promise<void> {
  for (const [i, { id }] of cluster.devices.entries()) {
    const rates = sendRates(cluster.bandwidthMbps[i] ?? [], delayed ? cluster.rttMs / 2 : 0)
    await runTool(['tc', '-n', names.namespace(id), '-batch', '-'], rates)
  }
  await inSwitch(names, 'tc', receiveRates(cluster))
}

/**
 * Takes away the namespaces of a run, and with them all that is in them. What a dead run left may be taken away by others at
 * the same time.
 */
export async function removeNetwork(names: RunNames): Promise<void> {
  for (const space of await namespacesOf(names)) await removeNamespace(names, space, REMOVALS)
}

async function removeNamespace(names: RunNames, space: string, tries: number): Promise<void> {
  try {
    await runTool(['ip', 'netns', 'del', space])
  } catch (error) {
    await setTimeout(LOOK_MS)
    if (!(await namespacesOf(names)).includes(space)) return
    if (tries === 1) throw error
    await removeNamespace(names, space, tries - 1)
  }
}

async function namespacesOf(names: RunNames): Promise<string[]> {
  // There is no folder before the first namespace.
  const spaces = await readdir(NAMESPACES).catch(() => [])
  return spaces.filter(name => names.owns(name))
}

export interface Traffic {
  /** `[from][to]` in the order of devices, in bytes with the headers of Ethernet. */
  readonly bytes: readonly (readonly number[])[]
  /** Bytes that came out of the switch, by device. */
  readonly received: readonly number[]
}

/** The counters of `tc -s`. */
export async function readTraffic(names: RunNames, { devices }: ClusterDescription): Promise<Traffic> {
  const ports = await counters(names.switch)
  const bytes: number[][] = []
  for (const { id } of devices) {
    const row = devices.map(() => 0)
    for (const queue of await counters(names.namespace(id))) {
      const to = indexOfClass(queue.parent ?? '')
      if (to !== undefined) row[to] = queue.bytes
    }
    bytes.push(row)
  }
  const received = devices.map((_, i) => ports.find(({ dev }) => dev === portOf(i))?.bytes ?? 0)
  return { bytes, received }
}

const Counters = z.array(z.object({ dev: z.string(), parent: z.string().optional(), bytes: z.number() }))

async function counters(namespace: string): Promise<z.infer<typeof Counters>> {
  return Counters.parse(JSON.parse(await runTool(['tc', '-n', namespace, '-s', '-j', 'qdisc', 'show'])))
}

function receiveRates({ devices, bandwidthMbps }: ClusterDescription): string[] {
  return devices.map((_, i) =>
    receiveRate(
      portOf(i),
      bandwidthMbps.map(row => row[i] ?? 0),
    ),
  )
}

/** Without an address of version 6, which would have the link busy with announcing it. */
function raise(link: string): string[] {
  return [`link set ${link} addrgenmode none`, `link set ${link} up`]
}

/** Tried on the loopback link of the switch, which nothing uses. */
async function hasNetem(names: RunNames): Promise<boolean> {
  try {
    await inSwitch(names, 'tc', ['qdisc add dev lo root netem delay 1ms'])
    return true
  } catch {
    return false
  }
}

function inSwitch(names: RunNames, tool: 'ip' | 'tc', lines: readonly string[]): Promise<string> {
  return runTool([tool, '-n', names.switch, '-batch', '-'], lines)
}
