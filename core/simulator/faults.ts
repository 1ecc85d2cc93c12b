import { z } from 'zod'
import { type Resource } from '../planner/objective.js'
import { type Outage, Timeline } from './timeline.js'

/** Times are ms since the beginning; `until` left out: to the end. Devices are indices; the dispatcher cannot fail. */
const device = z.int().min(0)
const during = { at: z.number().min(0), until: z.number().optional() }
const factor = z.number().positive()

export const Fault = z.discriminatedUnion('kind', [
  /** Loses all that is in it, and takes nothing, until it is back. */
  z.strictObject({ kind: z.literal('down'), device, ...during }),
  /** Its speed is multiplied. */
  z.strictObject({ kind: z.literal('slow'), device, factor, ...during }),
  /** Loses all that is on it; `to` and `from` may be the dispatcher, which is the number of devices. */
  z.strictObject({ kind: z.literal('cut'), from: device, to: device, ...during }),
  /** Its rate is multiplied. */
  z.strictObject({ kind: z.literal('rate'), from: device, to: device, factor, ...during }),
])

export type Fault = z.infer<typeof Fault>

/** Of one resource, which is a device or a link. */
export interface ResourceOutage {
  readonly resource: Resource
  readonly outage: Outage
}

const STEADY = new Timeline([])

/** How devices and links fare over time. */
export class Faults {
  readonly outages: readonly ResourceOutage[]
  private readonly timelines = new Map<string, Timeline>()

  constructor(faults: readonly Fault[]) {
    const grouped = new Map<string, { resource: Resource; faults: Fault[] }>()
    for (const fault of faults) {
      const resource = resourceOf(fault)
      const group = grouped.get(keyOf(resource)) ?? { resource, faults: [] }
      group.faults.push(fault)
      grouped.set(keyOf(resource), group)
    }
    const outages: ResourceOutage[] = []
    for (const [key, { resource, faults }] of grouped) {
      const timeline = new Timeline(faults.map(changeOf))
      this.timelines.set(key, timeline)
      outages.push(...timeline.outages.map(outage => ({ resource, outage })))
    }
    this.outages = outages.sort((a, b) => a.outage.at - b.outage.at)
  }

  timelineOf(resource: Resource): Timeline {
    return this.timelines.size === 0 ? STEADY : (this.timelines.get(keyOf(resource)) ?? STEADY)
  }
}

function resourceOf(fault: Fault): Resource {
  return 'device' in fault
    ? { kind: 'device', device: fault.device }
    : { kind: 'link', from: fault.from, to: fault.to }
}

function changeOf(fault: Fault) {
  return {
    at: fault.at,
    until: fault.until ?? Infinity,
    factor: 'factor' in fault ? fault.factor : 0,
  }
}

function keyOf(resource: Resource): string {
  return resource.kind === 'link'
    ? `${resource.kind} ${resource.from} ${resource.to}`
    : `${resource.kind} ${resource.device}`
}
