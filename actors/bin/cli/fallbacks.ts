import { type Plan, type Spec } from '../../../core/control/index.js'
import { MillraceError } from '../../../core/errors.js'
import { type Session } from './session.js'

/** Says which stages send through the cluster's broker though they were to send straight where that is possible. */
export function warnOfFallbacks(session: Session, { stages }: Plan, links: Spec['links']): void {
  if (links !== 'auto') return
  for (const { stage, worker, link } of stages) {
    const next = stages.filter(other => other.stage === stage + 1)
    if (next.length === 0 || link !== 'broker') continue
    const others = next.map(other => `'${other.worker}'`).join(', ')
    const which = next.length === 1 ? 'reach' : 'reach every replica of'
    const problem = `stage ${stage} on '${worker}' does not ${which} stage ${stage + 1} on ${others}`
    session.warn(
      new MillraceError('LINK_FALLBACK', `${problem}: their frames go through the cluster's broker`),
    )
  }
}
