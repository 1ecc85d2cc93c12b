import { randomBytes } from 'node:crypto'

/**
 * How everything is called that one run makes: from these names alone, the next run finds what a killed one left.
 * A device's id has no dot and its folder has a prefix, so that no id gives a name that something else has.
 */
export interface RunNames {
  readonly run: string
  /** Network namespace of the switch that joins the devices. */
  readonly switch: string
  /** Folder of the run's cgroups, below that of each controller. */
  readonly groups: string
  /** Network namespace of a device. */
  namespace(device: string): string
  /** Folder of a device's cgroup, below `groups`. */
  group(device: string): string
  /** Whether a network namespace is of this run. */
  owns(namespace: string): boolean
}

export function freshRun(): string {
  return randomBytes(4).toString('hex')
}

export function namesOf(run: string): RunNames {
  const prefix = `mr-${run}`
  return {
    run,
    switch: `${prefix}.switch`,
    groups: prefix,
    namespace: device => `${prefix}-${device}`,
    group: device => `device-${device}`,
    owns: namespace => namespace.startsWith(`${prefix}-`) || namespace === `${prefix}.switch`,
  }
}

/** Address of a device by its place in the cluster, in 10.99.0.0/16: nothing outside the namespaces sees it. */
export function addressOf(index: number): string {
  const number = index + 1
  return `10.99.${number >> 8}.${number & 255}`
}

/** The port of the switch that a device is connected to. */
export function portOf(index: number): string {
  return `p${index}`
}
