import { SessionQueue, type StoredPacket } from './session-queue.js'

export interface SessionLimits {
  /** Sessions of clients that are not there. */
  readonly maxSessions: number
  /** Of one session. */
  readonly maxSessionBytes: number
}

/** What waits for clients whose session outlives their connection, and whose turn it is to go. */
export class Sessions {
  private readonly queues = new Map<string, SessionQueue>()
  /** Those whose clients are not there, the longest absent first. */
  private readonly absent = new Set<string>()
  private droppedMessages = 0
  private evictedSessions = 0

  /** @param onEvicted  is told which session has gone */
  constructor(
    private readonly limits: SessionLimits,
    private readonly onEvicted: (id: string) => void,
  ) {}

  /** Messages that went because of the bounds. */
  get dropped(): number {
    return this.droppedMessages
  }

  get evicted(): number {
    return this.evictedSessions
  }

  get(id: string): SessionQueue | undefined {
    return this.queues.get(id)
  }

  enqueue(id: string, packet: StoredPacket): void {
    const queue = this.queues.get(id) ?? new SessionQueue(this.limits.maxSessionBytes)
    this.queues.set(id, queue)
    // A copy for each client: each gives it an id of its own.
    this.droppedMessages += queue.add({ ...packet, messageId: undefined })
  }

  /** The session has ended. */
  forget(id: string): void {
    const gone = this.queues.get(id)?.waiting() ?? []
    this.queues.delete(id)
    for (const { settle } of gone) settle?.(false)
  }

  arrived({ id }: { readonly id: string }): void {
    this.absent.delete(id)
  }

  left({ id, clean }: { readonly id: string; readonly clean: boolean }): void {
    this.absent.delete(id)
    if (clean) return
    this.absent.add(id)
    const [oldest] = this.absent
    if (this.absent.size > this.limits.maxSessions && oldest !== undefined) this.evict(oldest)
  }

  private evict(id: string): void {
    this.absent.delete(id)
    this.evictedSessions++
    this.droppedMessages += this.queues.get(id)?.messages ?? 0
    this.forget(id)
    this.onEvicted(id)
  }
}
