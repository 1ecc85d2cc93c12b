import { type Plan, type Spec } from '../../../core/control.js'
import { MillraceError } from '../../../core/errors.js'
import { type Session } from './session.js'

/** Says which stages send through the cluster's broker though they were to send straight where that is possible. */
export function warnOfFallbacks(session: Session, { stages }: Plan, links: Spec['links']): void {
  if (links !== 'auto') return
  for (const [i, { stage, worker, link }] of stages.entries()) {
    const next = stages[i + 1]
    if (next === undefined || link !== 'broker') continue
    const problem = `stage ${stage} on '${worker}' does not reach stage ${next.stage} on '${next.worker}'`
    session.warn(
      new MillraceError('LINK_FALLBACK', `${problem}: their frames go through the cluster's broker`),
    )
  }
}
