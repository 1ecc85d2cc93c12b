import { type Load, type Resource } from '../planner/objective.js'
import { type PlanProblem } from '../planner/problem.js'
import { type Faults } from './faults.js'
import { Server } from './server.js'
import { type Timeline } from './timeline.js'

/** A device, or the dispatcher, whose work takes no time. */
export interface Machine {
  readonly speed: number
  readonly sendRate: number
  readonly receiveRate: number
  readonly compute: Server
  readonly sending: Server
  readonly receiving: Server
  readonly timeline: Timeline
}

/** From one machine to another. */
export interface Wire {
  readonly rate: number
  readonly server: Server
  readonly timeline: Timeline
}

/** All that takes time, by index; the dispatcher is the machine after the last device. */
export class Machines {
  private readonly machines: readonly Machine[]
  private readonly wires = new Map<number, Wire>()

  constructor(
    private readonly problem: PlanProblem,
    private readonly faults: Faults,
  ) {
    const { dispatcherSendRate, dispatcherReceiveRate } = problem.network
    const dispatcher = { speed: 1, sendRate: dispatcherSendRate, receiveRate: dispatcherReceiveRate }
    this.machines = [...problem.devices, dispatcher].map(({ speed, sendRate, receiveRate }, device) => ({
      speed,
      sendRate,
      receiveRate,
      compute: new Server(),
      sending: new Server(),
      receiving: new Server(),
      timeline: faults.timelineOf({ kind: 'device', device }),
    }))
  }

  machine(index: number): Machine {
    return this.machines[index] as Machine
  }

  wire(from: number, to: number): Wire {
    const key = from * this.machines.length + to
    const known = this.wires.get(key)
    if (known !== undefined) return known
    const wire = {
      rate: this.problem.network.rates[from]?.[to] ?? 0,
      server: new Server(),
      timeline: this.faults.timelineOf({ kind: 'link', from, to }),
    }
    this.wires.set(key, wire)
    return wire
  }

  /** How long each resource has been busy that has been busy at all, and when all are free. */
  busy(): { readonly loads: readonly Load[]; readonly freeAt: number } {
    const servers = [...this.serversOfMachines(), ...this.serversOfWires()].filter(
      ({ server }) => server.busyMs > 0,
    )
    return {
      loads: servers.map(({ resource, server }) => ({ resource, ms: server.busyMs })),
      freeAt: servers.reduce((latest, { server }) => Math.max(latest, server.freeAt), 0),
    }
  }

  private serversOfMachines(): { resource: Resource; server: Server }[] {
    return this.machines.flatMap(({ compute, sending, receiving }, device) => [
      { resource: { kind: 'device' as const, device }, server: compute },
      { resource: { kind: 'sending' as const, device }, server: sending },
      { resource: { kind: 'receiving' as const, device }, server: receiving },
    ])
  }

  private serversOfWires(): { resource: Resource; server: Server }[] {
    return [...this.wires].map(([key, { server }]) => {
      const from = Math.floor(key / this.machines.length)
      return { resource: { kind: 'link', from, to: key % this.machines.length }, server }
    })
  }
}
