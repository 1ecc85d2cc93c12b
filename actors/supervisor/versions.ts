import { type Order, type Plan, type PlanReason, type Spec } from '../../core/control/index.js'
import { type ErrorInfo, MillraceError } from '../../core/errors.js'
import { type TensorSpec } from '../../core/tensor.js'
import { versionOf } from '../../core/versions.js'

/** A further state of a plan whose epoch stays. */
type Revision = NonNullable<Plan['revision']>
type InAndOut = {
  readonly inputs: readonly Pick<TensorSpec, 'name' | 'dtype' | 'dims'>[]
  readonly outputs: InAndOut['inputs']
}

/** A plan as it would be asked for again. */
export function specOf(plan: Plan): Spec {
  const { pipeline, deployment, model, lz4, wire, links, window, leastWindow, asked, sensors } = plan
  return {
    ...{ pipeline, deployment, model, lz4, wire, links, ...asked, deployTimeoutMs: 0 },
    ...(leastWindow === undefined ? { window } : {}),
    ...(sensors === undefined ? {} : { sensors }),
  }
}

/** `next` in the place of `before`, to which a rollback leads. The same model again is no other version. */
export function successorOf(next: Plan, before: Plan | undefined): Plan {
  if (before === undefined) return next
  const same = before.model.sha256 === next.model.sha256
  const previous = same ? before.previous : specOf(before)
  return previous === undefined ? next : { ...next, previous }
}

/** Beside `before`, `tried` takes a share of the frames. What was tried until now ends. */
export function withCanary(
  before: Plan,
  tried: Plan,
  about: { readonly deployment: string; readonly share: number; readonly revision: Revision },
): Plan {
  const { deployment, share, revision } = about
  return {
    ...before,
    ...{ deployment, revision, reason: 'canary', handover: 'drain' },
    canary: { share, plan: { ...tried, deployment } },
  }
}

/** The canary takes all frames. @throws VERSION_NONE: there is none */
export function promoted(before: Plan, deployment: string, revision: Revision): Plan {
  const { canary } = before
  if (canary === undefined) {
    const what = `'${before.pipeline}' has no canary; version ${versionOf(before.model)} has all frames`
    throw new MillraceError('VERSION_NONE', what)
  }
  const next: Plan = { ...canary.plan, deployment, revision, reason: 'promoted', handover: 'drain' }
  return successorOf(next, before)
}

/** The canary takes no more frames; its own are sent again at once, or end where they are. */
export function withoutCanary(
  before: Plan,
  about: { readonly reason: PlanReason; readonly handover: Plan['handover']; readonly revision: Revision },
): Plan {
  const { canary: _, ...plan } = before
  return { ...plan, ...about }
}

/** What a rollback asks for where there is no canary. @throws VERSION_NONE: nothing is remembered */
export function specBefore({ pipeline, previous, model }: Plan, order: Order): Spec {
  if (previous === undefined) {
    const none = `no version of '${pipeline}' before ${versionOf(model)} is remembered`
    throw new MillraceError('VERSION_NONE', none)
  }
  const { deployment, deployTimeoutMs } = order
  return { ...previous, deployment, deployTimeoutMs }
}

/** Whether `plan` is what `spec` asks for, but for the share of the frames. */
export function isAskedFor(spec: Spec, plan: Plan): boolean {
  const terms = ({ canary: _, deployment: __, deployTimeoutMs: ___, ...wish }: Spec) => inOrder(wish)
  return terms(spec) === terms(specOf(plan))
}

/** @throws CANARY_REFUSED: frames of the version in force are none of this one, or its predictions differ in form */
export function refuseUnlike(tried: InAndOut, inForce: InAndOut): void {
  for (const side of ['inputs', 'outputs'] as const) {
    const [here, there] = [formOf(tried[side]), formOf(inForce[side])]
    if (here === there) continue
    const differ = `the ${side} of the version in force are ${there}, and those of the new one ${here}`
    throw new MillraceError('CANARY_REFUSED', differ)
  }
}

/** What becomes of a pipeline whose canary does not work. */
export function endedFor({ message }: ErrorInfo): ErrorInfo {
  return new MillraceError('CANARY_ENDED', `the canary was ended, as ${message}`).toInfo()
}

/** What a dim is called where it is free says nothing. */
function formOf(tensors: InAndOut['inputs']): string {
  const dims = (all: TensorSpec['dims']) => all.map(dim => (typeof dim === 'number' ? dim : '?')).join(', ')
  const forms = tensors.map(({ name, dtype, dims: all }) => `${name} ${dtype} [${dims(all)}]`)
  return forms.sort().join(', ')
}

/** As JSON, whatever the order of keys. */
function inOrder(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => {
    if (typeof one !== 'object' || one === null || Array.isArray(one)) return one
    return Object.fromEntries(Object.entries(one).sort(([a], [b]) => a.localeCompare(b)))
  })
}
