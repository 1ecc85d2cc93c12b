import { type FrameHeader } from '../../core/frame.js'
import { type TensorSpec } from '../../core/tensor.js'
import { type ProcessedEnvelope, type SessionSetup } from './messages.js'
import { ThreadedSession } from './threaded-session.js'

/** What a stage needs of its session. */
export interface FrameSession {
  /** As of `ThreadedSession`. */
  process(
    message: Uint8Array<ArrayBuffer>,
    header: FrameHeader,
    arrivedAt: number,
    lz4?: boolean,
  ): Promise<ProcessedEnvelope>
  /** As of `ThreadedSession`. */
  rehearse(inputs: readonly TensorSpec[]): Promise<number>
  /** Idempotent. */
  close(): Promise<void>
}

interface Shared {
  readonly session: Promise<ThreadedSession>
  users: number
  /** Once it has loaded. */
  loaded?: ThreadedSession
}

/**
 * Sessions that actors of the same partition share: when a new epoch leaves a partition where it is, its actor is there at
 * once and takes no second share of memory (decision D6).
 */
export class SessionPool {
  private readonly sessions = new Map<string, Shared>()

  /** @throws as `ThreadedSession.open` */
  async open(setup: SessionSetup): Promise<FrameSession> {
    const key = JSON.stringify(setup)
    const shared = this.share(key, setup)
    shared.users++
    let closing: Promise<void> | undefined
    const close = () => (closing ??= this.leave(key, shared))
    try {
      const session = (shared.loaded = await shared.session)
      return {
        process: (message, header, arrivedAt, lz4) => session.process(message, header, arrivedAt, lz4),
        rehearse: inputs => session.rehearse(inputs),
        close,
      }
    } catch (error) {
      await close().catch(() => undefined)
      throw error
    }
  }

  private share(key: string, setup: SessionSetup): Shared {
    const known = this.sessions.get(key)
    // One whose thread has ended is of no use to another actor.
    if (known !== undefined && known.loaded?.isOver !== true) return known
    const shared = { session: ThreadedSession.open(setup), users: 0 }
    this.sessions.set(key, shared)
    return shared
  }

  private async leave(key: string, shared: Shared): Promise<void> {
    shared.users--
    if (shared.users > 0) return
    if (this.sessions.get(key) === shared) this.sessions.delete(key)
    await (await shared.session).close()
  }
}
