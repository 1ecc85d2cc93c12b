import { workMs } from '../planner/objective.js'
import { type PlannedStage, type PlanProblem } from '../planner/problem.js'
import { type Arrival, type Schedule, type SimulatedFrame } from './events.js'
import { type Machines } from './machines.js'
import { type Routes } from './routes.js'
import { type Outage } from './timeline.js'

/**
 * What happens to a frame between the dispatcher's sending it and its result.
 *
 * A message passes three servers, each of which does one message at a time in the order in which they come: the sender's
 * card, the link, the receiver's card. The first bytes go on while the last are still to come, so that on its own a message
 * takes as long as its link needs. Cards are faster than links, and pass a message on in one go: other links use what
 * is left of their time.
 *
 * Flows that share a card fairly and at once, as those of TCP do, would be closer to the truth of one moment, but two
 * long queues of unequal weight do not fill a card that way when the one with less to send runs dry. With servers that
 * never idle while something waits, the slowest resource alone decides on the throughput of many frames, which is what a
 * plan predicts; and since a server knows when it will be done, a hop is one event.
 */
export class Pipeline {
  private readonly dispatcher: number
  private readonly works: readonly number[]
  /** Of the message to each station: to the stages, and to the dispatcher. */
  private readonly bytes: readonly number[]
  private readonly messageMs: number

  /** @param jitter  by which the work of the next frame on a device is multiplied */
  constructor(
    problem: PlanProblem,
    stages: readonly PlannedStage[],
    private readonly machines: Machines,
    private readonly routes: Routes,
    private readonly schedule: Schedule,
    private readonly jitter: () => number,
  ) {
    const { chain, devices, network } = problem
    this.dispatcher = devices.length
    this.works = stages.map(stage => workMs(problem, stage))
    const positions = [...stages.map(({ from }) => from), chain.blocks.length]
    this.bytes = positions.map(position => chain.crossings[position]?.bytes ?? 0)
    this.messageMs = network.messageMs
  }

  send(frame: SimulatedFrame, at: number): void {
    this.forward(frame, 0, this.dispatcher, at)
  }

  /** To be called in the order of time. */
  arrive({ frame, station, device }: Arrival, at: number): void {
    const { receiveRate, receiving, compute, speed, timeline } = this.machines.machine(device)
    const begun = receiving.startAt(at)
    const received = begun + (this.bytes[station] ?? 0) / receiveRate
    receiving.occupy(begun, received)
    if (device === this.dispatcher) return this.schedule(received, { kind: 'result', frame })
    const start = compute.startAt(received)
    const end = timeline.finish(start, ((this.works[station] ?? 0) / speed) * this.jitter())
    const outage = timeline.outageIn(at, end)
    if (outage === undefined) {
      compute.occupy(start, end)
      return this.forward(frame, station + 1, device, end)
    }
    const lostAt = Math.max(at, outage.at)
    receiving.giveUp(lostAt)
    if (start < lostAt) compute.occupy(start, lostAt)
    this.lose(frame, outage, lostAt)
  }

  /** Messages leave a machine in the order in which it is done with them. */
  private forward(frame: SimulatedFrame, station: number, from: number, at: number): void {
    const to = this.routes.next(frame.sequence, station, from, at)
    if (to === undefined) return this.schedule(at, { kind: 'lost', frame, outage: undefined })
    const bytes = this.bytes[station] ?? 0
    const { sendRate, sending, timeline } = this.machines.machine(from)
    const receiver = this.machines.machine(to)
    const wire = this.machines.wire(from, to)
    const begun = sending.startAt(at)
    sending.occupy(begun, begun + bytes / sendRate)
    const start = wire.server.startAt(begun)
    const end = Math.max(wire.timeline.finish(start + this.messageMs, bytes / wire.rate), sending.freeAt)
    const onTheWay = earlier(wire.timeline.outageIn(start, end), receiver.timeline.outageIn(start, end))
    const outage = earlier(timeline.outageIn(at, end), onTheWay)
    if (outage !== undefined) {
      const lostAt = Math.max(at, outage.at)
      sending.giveUp(lostAt)
      if (start < lostAt) wire.server.occupy(start, lostAt)
      return this.lose(frame, outage, lostAt)
    }
    wire.server.occupy(start, end)
    // The receiver's card is busy with the last bytes until the very end, and need not begin sooner.
    const arrival = Math.max(start, end - bytes / receiver.receiveRate)
    this.schedule(arrival, { kind: 'arrival', frame, station, device: to })
  }

  private lose(frame: SimulatedFrame, outage: Outage, lostAt: number): void {
    const at = Math.max(lostAt, this.routes.noticedAt(outage))
    this.schedule(at, { kind: 'lost', frame, outage })
  }
}

function earlier(a: Outage | undefined, b: Outage | undefined): Outage | undefined {
  return a === undefined || (b !== undefined && b.at < a.at) ? b : a
}
