import { type Bus } from '../../core/bus.js'
import { encodeControl, type Findings } from '../../core/control/index.js'
import { type Topics } from '../../core/topics.js'

export interface TellParts {
  readonly bus: Bus
  readonly topics: Topics
  readonly term: number
}

/** What is wrong with workers, for those who look at the cluster. Nothing is kept where nothing is wrong. */
export class ToldFindings {
  private told = ''

  constructor(private readonly parts: TellParts) {}

  /** Where it is something else than before; what an earlier leader found goes. */
  async tell(findings: Findings['findings']): Promise<void> {
    const { bus, topics, term } = this.parts
    const told = JSON.stringify(findings)
    if (told === this.told) return
    this.told = told
    const message: Findings = { term, findings }
    const payload = findings.length === 0 ? new Uint8Array() : encodeControl(message)
    await bus.publish(topics.supervisor.findings, payload, { qos: 1, retain: true })
  }
}
