import { setTimeout } from 'node:timers/promises'
import { type Activation } from '../../core/control/index.js'
import { type ActorFault } from '../../core/faults.js'
import { type FrameHeader } from '../../core/frame.js'
import { type Link, type Outlet } from '../../core/link.js'
import { type FrameSession, type SessionPool } from '../session/index.js'

/** What a stage's actor is made of. */
export interface ActorParts {
  readonly link: Link
  readonly sessions: Pick<SessionPool, 'open'>
}

/** The faults that the actors of one runtime suffer, by their stage: also those of later epochs. */
export class ActorFaults {
  private readonly faults = new Map<string, ActorFault>()

  constructor(
    /** Ends the process, as a crash does. */
    private readonly crash: () => void,
    private readonly random: () => number = Math.random,
  ) {}

  apply(fault: ActorFault): void {
    this.faults.set(`${fault.type} ${fault.pipeline}/${fault.stage}`, fault)
  }

  /** The parts of an actor, with these faults between them and it. */
  around(activation: Activation, { link, sessions }: ActorParts): ActorParts {
    return {
      link: { listen: (...args) => link.listen(...args), open: to => this.outlet(activation, link.open(to)) },
      sessions: { open: async setup => this.session(activation, await sessions.open(setup)) },
    }
  }

  private outlet(activation: Activation, outlet: Outlet): Outlet {
    const corrupt = (message: Uint8Array) => {
      const rate = this.find('corrupt', activation)?.rate ?? 0
      return this.random() < rate ? this.damaged(message) : message
    }
    return {
      settled: outlet.settled,
      get way() {
        return outlet.way
      },
      get delivery() {
        return outlet.delivery
      },
      send: message => outlet.send(corrupt(message)),
      close: () => outlet.close(),
    }
  }

  private session(activation: Activation, session: FrameSession): FrameSession {
    let turn: Promise<unknown> = Promise.resolve()
    const process: FrameSession['process'] = async (message, header, arrivedAt, lz4) => {
      if (this.isPoison(activation, header)) this.crash()
      const result = await session.process(message, header, arrivedAt, lz4)
      const factor = this.find('slow', activation)?.factor ?? 1
      if (factor === 1) return result
      // One after the other, as they ran; and without the processor, which others may need.
      const mine = turn.then(() => setTimeout(result.runMs * (factor - 1)))
      turn = mine
      await mine
      return { ...result, runMs: result.runMs * factor }
    }
    return { process, rehearse: inputs => session.rehearse(inputs), close: () => session.close() }
  }

  /** In a copy: the sender may still have use for what it sent. */
  private damaged(message: Uint8Array): Uint8Array {
    const copy = new Uint8Array(message)
    const at = Math.floor(this.random() * copy.byteLength)
    copy[at] = (copy[at] ?? 0) ^ (1 << Math.floor(this.random() * 8))
    return copy
  }

  private isPoison(activation: Activation, { stream, sequence }: FrameHeader): boolean {
    const poison = this.find('poison', activation)
    return poison?.stream === stream && poison.sequence === sequence
  }

  private find<T extends ActorFault['type']>(
    type: T,
    { pipeline, stage }: Activation,
  ): Extract<ActorFault, { type: T }> | undefined {
    const fault = this.faults.get(`${type} ${pipeline}/${stage}`)
    return isOf(fault, type) ? fault : undefined
  }
}

function isOf<T extends ActorFault['type']>(
  fault: ActorFault | undefined,
  type: T,
): fault is Extract<ActorFault, { type: T }> {
  return fault?.type === type
}
