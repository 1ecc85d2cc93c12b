import { type ChildProcess } from 'node:child_process'
import { type Lines } from '../../../broker/index.js'
import { type ActorFault, type Fault, type LineFault } from '../../../core/faults.js'
import { type FaultEffect } from '../../faults/index.js'
import { stall } from './stall.js'

/** From an agent to its runtime process, beside what every agent says. */
export interface RuntimeFault {
  readonly type: 'fault'
  readonly fault: ActorFault | LineFault
}

/** The faults of one worker process: of itself, its connections, and its runtime process. */
export class WorkerFaults {
  /** That a runtime process which is started from now on suffers too. */
  readonly lasting: ActorFault[] = []

  constructor(
    private readonly broker: string,
    private readonly lines: Lines,
    private readonly runtimes: ReadonlySet<ChildProcess>,
  ) {}

  effectOf(fault: Fault): FaultEffect | undefined {
    switch (fault.type) {
      case 'kill':
        return { after: () => this.kill(fault.victim === 'worker') }
      case 'stall':
        return this.stalling(fault.victim === 'worker', fault.ms)
      case 'line':
        return { after: () => this.break(fault) }
      case 'restart':
        return undefined
      default:
        return { now: () => this.disturb(fault) }
    }
  }

  private pids(own: boolean): number[] {
    const runtimes = [...this.runtimes].flatMap(({ pid }) => pid ?? [])
    return own ? [...runtimes, process.pid] : runtimes
  }

  /** As a machine does that loses its power: its own process last, because nothing comes after that. */
  private kill(own: boolean): void {
    for (const pid of this.pids(own)) process.kill(pid, 'SIGKILL')
  }

  private stalling(own: boolean, ms: number): FaultEffect {
    let stop = () => {}
    return {
      now: async () => {
        stop = await stall(this.pids(own), ms)
      },
      after: () => stop(),
    }
  }

  private break(fault: LineFault): void {
    const { url = this.broker, state, ms } = fault
    void this.lines.break(url, state, ms)
    this.tell({ ...fault, url })
  }

  private async disturb(fault: ActorFault): Promise<void> {
    this.lasting.push(fault)
    this.tell(fault)
  }

  private tell(fault: ActorFault | LineFault): void {
    for (const runtime of this.runtimes) runtime.send({ type: 'fault', fault } satisfies RuntimeFault)
  }
}
