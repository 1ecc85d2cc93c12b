import './telemetry-off.js'
import { Worker } from 'node:worker_threads'
import { BriefMap } from '../../core/brief-map.js'
import { MillraceError } from '../../core/errors.js'
import { type FrameHeader } from '../../core/frame.js'
import { type Tensors, type TensorSpec } from '../../core/tensor.js'
import {
  type ProcessedEnvelope,
  type SessionReply,
  type SessionRequest,
  type SessionSetup,
} from './messages.js'

interface Waiting {
  readonly resolve: (reply: SessionReply) => void
  readonly reject: (error: MillraceError) => void
}

/** A model that runs in a thread of its own, so that inference never blocks the caller's event loop (decision D3). */
export class ThreadedSession {
  private nextId = 0
  private readonly waiting = new BriefMap<number, Waiting>()
  private readonly exited: Promise<void>
  /** Why it takes nothing more: what is sent to a thread that has ended is never answered. */
  private over: MillraceError | undefined

  private constructor(
    private readonly thread: Worker,
    readonly inputs: readonly TensorSpec[],
    readonly outputs: readonly TensorSpec[],
  ) {
    thread.on('message', (reply: SessionReply) => this.settle(reply))
    thread.on('error', error => this.fail(MillraceError.from(error, 'RUNTIME_CRASHED')))
    this.exited = new Promise(resolve => {
      thread.once('exit', () => {
        this.fail(closed())
        resolve()
      })
    })
  }

  /** @throws MODEL_UNSUPPORTED, MODEL_INVALID, MODEL_NOT_FOUND, ACTIVATION_FAILED */
  static async open(setup: SessionSetup): Promise<ThreadedSession> {
    // Without the program's own flags: some, such as --input-type, a thread does not take.
    const thread = new Worker(new URL('./session-thread.js', import.meta.url), {
      workerData: setup,
      execArgv: [],
    })
    const reply = await firstReply(thread)
    if (reply.type !== 'loaded') {
      throw reply.type === 'load-failed'
        ? MillraceError.fromInfo(reply.error)
        : new MillraceError('INTERNAL', `a session thread began with '${reply.type}'`)
    }
    return new ThreadedSession(thread, reply.inputs, reply.outputs)
  }

  /** Whether it takes nothing more. */
  get isOver(): boolean {
    return this.over !== undefined
  }

  /** @throws INFERENCE_FAILED, STOPPED, RUNTIME_CRASHED */
  async run(feeds: Tensors): Promise<Tensors> {
    const reply = await this.request(id => ({ type: 'tensors', id, feeds }), [])
    if (reply.type === 'tensors') return reply.outputs
    throw new MillraceError('INTERNAL', `a session thread answered '${reply.type}' to tensors`)
  }

  /**
   * As `rehearse`, in its thread.
   * @throws INFERENCE_FAILED, STOPPED, RUNTIME_CRASHED
   */
  async rehearse(inputs: readonly TensorSpec[]): Promise<number> {
    const reply = await this.request(id => ({ type: 'rehearse', id, inputs }), [])
    if (reply.type === 'rehearsed') return reply.runMs
    throw new MillraceError('INTERNAL', `a session thread answered '${reply.type}' to a rehearsal`)
  }

  /**
   * Runs one frame, message in, message out. A frame that fails gives a message that says so; it does not throw.
   * @param message  an envelope with an ArrayBuffer of its own, which is transferred and gone for the caller
   * @param lz4  whether to compress the tensors that leave
   * @throws STOPPED, RUNTIME_CRASHED
   */
  async process(
    message: Uint8Array<ArrayBuffer>,
    header: FrameHeader,
    arrivedAt: number,
    lz4 = false,
  ): Promise<ProcessedEnvelope> {
    const reply = await this.request(
      id => ({ type: 'envelope', id, message, header, arrivedAt, lz4 }),
      [message.buffer],
    )
    if (reply.type === 'envelope') return reply
    throw new MillraceError('INTERNAL', `a session thread answered '${reply.type}' to an envelope`)
  }

  /** Lets the frames under way end, then ends the thread. There is no way to end it during a run. Idempotent. */
  async close(): Promise<void> {
    this.over ??= closed()
    this.thread.postMessage({ type: 'close' } satisfies SessionRequest)
    await this.exited
  }

  private request(build: (id: number) => SessionRequest, transfer: ArrayBuffer[]): Promise<SessionReply> {
    const id = this.nextId++
    return new Promise((resolve, reject) => {
      if (this.over !== undefined) throw this.over
      this.waiting.set(id, { resolve, reject })
      try {
        this.thread.postMessage(build(id), transfer)
      } catch (error) {
        this.waiting.delete(id)
        throw MillraceError.from(error, 'INFERENCE_FAILED', 'the tensors cannot be handed to a thread: ')
      }
    })
  }

  private settle(reply: SessionReply): void {
    if (!('id' in reply)) return
    const waiting = this.waiting.get(reply.id)
    this.waiting.delete(reply.id)
    if (reply.type === 'failed') waiting?.reject(MillraceError.fromInfo(reply.error))
    else waiting?.resolve(reply)
  }

  private fail(error: MillraceError): void {
    this.over ??= error
    for (const { reject } of this.waiting.values()) reject(error)
    this.waiting.clear()
  }
}

function closed(): MillraceError {
  return new MillraceError('STOPPED', 'the session was closed')
}

function firstReply(thread: Worker): Promise<SessionReply> {
  return new Promise((resolve, reject) => {
    // Not removeAllListeners: that would take Node's own, which keep the thread's messages flowing.
    const settle = (act: () => void) => {
      thread.off('message', onMessage).off('error', onError).off('exit', onExit)
      act()
    }
    const onMessage = (reply: SessionReply) => settle(() => resolve(reply))
    const onError = (error: unknown) => settle(() => reject(MillraceError.from(error, 'ACTIVATION_FAILED')))
    const onExit = (code: number) =>
      settle(() => reject(new MillraceError('ACTIVATION_FAILED', `the session thread exited with ${code}`)))
    thread.on('message', onMessage).on('error', onError).on('exit', onExit)
  })
}
