import { BriefMap } from '../../core/brief-map.js'
import { MillraceError } from '../../core/errors.js'
import { type QueuedFrame, type StreamFlow } from './stream-flow.js'

/** Names of ended streams whose sequence numbers are remembered one by one. */
const MOST_NAMES = 10_000

/** The next frame to be sent, and its stream. */
export interface Turn {
  readonly queued: QueuedFrame
  readonly flow: StreamFlow
}

/** The open streams of a dispatcher, in the order of their turns. */
export class Streams {
  /** Each turn takes one away and puts it at the end. */
  private readonly flows = new BriefMap<string, StreamFlow>()
  /** Where the sequence of an ended stream goes on, so that no identity is used twice (promise 4). */
  private readonly next = new Map<string, number>()
  /** The same for all names that are not remembered any more. */
  private nextOfOthers = 0
  private unnamed = 0

  /** @throws OPTION_INVALID: a stream of this name is open */
  open(name: string | undefined, create: (stream: string, firstSequence: number) => StreamFlow): StreamFlow {
    const stream = name ?? `s${++this.unnamed}`
    if (this.flows.has(stream)) {
      throw new MillraceError(
        'OPTION_INVALID',
        `stream '${stream}' is in use; end it first or choose another name`,
      )
    }
    const flow = create(stream, this.nextOf(stream))
    this.flows.set(stream, flow)
    return flow
  }

  /** The sequence number of the next frame of a stream. */
  nextOf(stream: string): number {
    return this.flows.get(stream)?.nextSequence ?? this.next.get(stream) ?? this.nextOfOthers
  }

  close(flow: StreamFlow): void {
    const { stream, nextSequence } = flow
    if (this.flows.get(stream) !== flow) return
    this.flows.delete(stream)
    this.next.delete(stream)
    this.next.set(stream, nextSequence)
    for (const [name, next] of this.next) {
      if (this.next.size <= MOST_NAMES) break
      this.nextOfOthers = Math.max(this.nextOfOthers, next)
      this.next.delete(name)
    }
  }

  all(): StreamFlow[] {
    return this.flows.values()
  }

  get queuedFrames(): number {
    return this.all().reduce((sum, flow) => sum + flow.queuedFrames, 0)
  }

  /**
   * The next frame to be sent, one stream after the other.
   * @param fresh  whether streams that want their newest frames have a turn
   */
  takeNext(fresh = true): Turn | undefined {
    for (const flow of this.flows.values()) {
      if (flow.isFreshest && !fresh) continue
      const queued = flow.take()
      if (queued === undefined) continue
      // To the end of the line.
      this.flows.delete(flow.stream)
      this.flows.set(flow.stream, flow)
      return { queued, flow }
    }
    return undefined
  }
}
