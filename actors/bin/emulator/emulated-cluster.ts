import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ClusterDescription, type Device, workingDevices } from '../../../core/cluster-file.js'
import { MillraceError } from '../../../core/errors.js'
import { type CgroupKind, findCgroups, LEAST_CORES } from './cgroup-kinds.js'
import { applyWrites, createGroup, joinFiles, removeGroups } from './groups.js'
import { checkHost } from './host.js'
import { addressOf, freshRun, namesOf, type RunNames } from './names.js'
import { changeBandwidth, createNetwork, NAMESPACES, readTraffic, removeNetwork } from './network.js'
import { deadRuns, type Place, removeRecord, writeRecord } from './records.js'
import { type DeviceReport, type EmulationReport } from './report.js'

/** Joins the groups whose files come before `--`, and becomes the command that comes after: its process id stays. */
const JOIN_AND_BECOME = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 125; shift; done; shift; exec "$@"'

/** The processor time that a device was allowed, while its quota changed. */
interface Allowance {
  readonly cores: number
  readonly since: number
  readonly coreSeconds: number
}

/** Devices and links as a description says, on this machine: made of network namespaces, traffic control and cgroups. */
export class EmulatedCluster {
  private readonly began = performance.now()
  private allowances: readonly Allowance[]

  private constructor(
    private readonly names: RunNames,
    private readonly kind: CgroupKind,
    private description: ClusterDescription,
    /** Path of the record by which a command finds the devices. */
    readonly record: string,
    /** False where the description asks for a delay that this kernel cannot give (it has no netem). */
    readonly delayed: boolean,
  ) {
    this.allowances = description.devices.map(device => ({
      cores: coresOf(device),
      since: this.began,
      coreSeconds: 0,
    }))
  }

  /**
   * Removes what dead runs left behind, and makes the devices and links.
   * @throws EMULATOR_UNAVAILABLE: this machine cannot; CLUSTER_INVALID: a device is slower than a quota can make it
   */
  static async create(description: ClusterDescription): Promise<EmulatedCluster> {
    checkQuotas(description)
    await checkHost()
    const kind = await findCgroups(await readFile('/proc/self/mounts', 'utf8'))
    for (const run of await deadRuns()) await removeRun(namesOf(run), kind)
    const names = namesOf(freshRun())
    const record = await writeRecord(names.run, {
      dispatcher: placeOf(names, kind, description, description.dispatcher),
      workers: workingDevices(description).map(({ id }) => placeOf(names, kind, description, id)),
    })
    try {
      await createGroups(names, kind, description)
      const delayed = await createNetwork(names, description)
      return new EmulatedCluster(names, kind, description, record, delayed)
    } catch (error) {
      await removeRun(names, kind)
      throw error
    }
  }

  /** Words that, put before a command, run it in a device. */
  enter(device: string): readonly string[] {
    return placeOf(this.names, this.kind, this.description, device).enter
  }

  address(device: string): string {
    return placeOf(this.names, this.kind, this.description, device).address
  }

  /**
   * Gives links other bandwidths, and devices other speeds and memory, while they are in use.
   * @throws CLUSTER_INVALID: something else is to change, or a device is slower than a quota can make it;
   *   EMULATOR_UNAVAILABLE: the kernel does not take it, such as less memory than is in use
   */
  async change(next: ClusterDescription): Promise<void> {
    checkQuotas(next)
    checkSameDevices(this.description, next)
    const before = this.description.devices
    for (const [i, device] of next.devices.entries()) {
      const group = groupOf(this.names, device.id)
      if (coresOf(device) !== coresOf(before[i] ?? device)) {
        await applyWrites(this.kind.quota(group, coresOf(device)))
        this.allow(i, coresOf(device))
      }
      if (device.memoryMiB !== before[i]?.memoryMiB)
        await applyWrites(this.kind.memory(group, bytesOf(device)))
    }
    await changeBandwidth(this.names, next, this.delayed)
    this.description = next
  }

  /** What was used of what was given, since the beginning. */
  async report(): Promise<EmulationReport> {
    const { devices, rttMs } = this.description
    const traffic = await readTraffic(this.names, this.description)
    const now = performance.now()
    const rows: DeviceReport[] = []
    for (const [i, device] of devices.entries()) {
      const usage = await this.kind.usage(groupOf(this.names, device.id))
      rows.push({
        id: device.id,
        quotaCores: coresOf(device),
        ...usage,
        quotaShare: usage.cpuSeconds / this.allowed(i, now),
        sentBytes: (traffic.bytes[i] ?? []).reduce((sum, bytes) => sum + bytes, 0),
        receivedBytes: traffic.received[i] ?? 0,
        limitBytes: bytesOf(device),
      })
    }
    const ids = devices.map(({ id }) => id)
    const links = ids.flatMap((from, i) =>
      ids.map((to, j) => ({ from, to, bytes: traffic.bytes[i]?.[j] ?? 0 })),
    )
    return {
      seconds: (now - this.began) / 1_000,
      rttMs: this.delayed ? rttMs : 0,
      devices: rows,
      links: links.filter(({ bytes }) => bytes > 0),
    }
  }

  /** Kills what runs in the devices, and removes everything that was made. */
  async destroy(): Promise<void> {
    await removeRun(this.names, this.kind)
  }

  private allow(index: number, cores: number): void {
    const now = performance.now()
    this.allowances = this.allowances.map((allowance, i) =>
      i === index ? { cores, since: now, coreSeconds: this.allowed(i, now) } : allowance,
    )
  }

  /** Core-seconds until `now`. */
  private allowed(index: number, now: number): number {
    const { cores, since, coreSeconds } = this.allowances[index] ?? { cores: 0, since: now, coreSeconds: 0 }
    return coreSeconds + (cores * (now - since)) / 1_000
  }
}

function coresOf({ speed, cores }: Device): number {
  return speed * cores
}

function bytesOf({ memoryMiB }: Device): number {
  return memoryMiB * 2 ** 20
}

function groupOf(names: RunNames, device: string): string {
  return join(names.groups, names.group(device))
}

function placeOf(names: RunNames, kind: CgroupKind, { devices }: ClusterDescription, id: string): Place {
  const files = joinFiles(kind, groupOf(names, id))
  const network = `--net=${NAMESPACES}/${names.namespace(id)}`
  return {
    id,
    address: addressOf(devices.findIndex(device => device.id === id)),
    // Not `ip netns exec`: in it the cgroups are out of sight, and a device starts processes in other devices.
    enter: ['/bin/sh', '-c', JOIN_AND_BECOME, 'sh', ...files, '--', 'nsenter', network, '--'],
  }
}

async function createGroups(
  names: RunNames,
  kind: CgroupKind,
  { devices }: ClusterDescription,
): Promise<void> {
  await createGroup(kind, names.groups)
  await applyWrites(kind.prepare(names.groups))
  for (const device of devices) {
    const group = groupOf(names, device.id)
    await createGroup(kind, group)
    await applyWrites([...kind.quota(group, coresOf(device)), ...kind.memory(group, bytesOf(device))])
  }
}

/** The record goes last: as long as anything is left, there is one that says so. */
async function removeRun(names: RunNames, kind: CgroupKind): Promise<void> {
  await removeGroups(kind, names.groups)
  await removeNetwork(names)
  await removeRecord(names.run)
}

function checkQuotas({ devices }: ClusterDescription): void {
  for (const device of devices) {
    if (coresOf(device) >= LEAST_CORES) continue
    const problem = `device '${device.id}' has ${coresOf(device)} of a core, and a quota is ${LEAST_CORES} at least`
    throw new MillraceError('CLUSTER_INVALID', problem)
  }
}

function checkSameDevices(before: ClusterDescription, next: ClusterDescription): void {
  const fixed = ({ dispatcher, devices, rttMs }: ClusterDescription) =>
    JSON.stringify([dispatcher, rttMs, devices.map(({ id }) => id)])
  if (fixed(before) === fixed(next)) return
  const problem = 'the devices, the dispatcher and rttMs cannot change while the cluster is emulated'
  throw new MillraceError('CLUSTER_INVALID', problem)
}
