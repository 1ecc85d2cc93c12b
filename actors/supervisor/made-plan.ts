import { type Plan, type PlanStage, type Spec } from '../../core/control/index.js'
import { type ChosenPlan } from './choose-plan.js'
import { idOf } from './pipeline-status.js'
import { leastWindowOf, windowOf } from './placement.js'
import { type CutModel } from './workshop/messages.js'

function askedOf({
  partitions,
  cuts,
  memoryMib,
  replicas,
  exclude,
  wireError,
}: Spec): NonNullable<Plan['asked']> {
  return {
    ...(partitions === undefined ? {} : { partitions }),
    ...(cuts === undefined ? {} : { cuts }),
    ...(memoryMib === undefined ? {} : { memoryMib }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(exclude === undefined ? {} : { exclude }),
    ...(wireError === undefined ? {} : { wireError }),
  }
}

/** What is published of a plan that was chosen, cut and placed. */
export function planOf(
  spec: Spec,
  { cuts, predicted }: ChosenPlan,
  { inputs, outputs, sampleError }: CutModel,
  stages: PlanStage[],
  about: Pick<Plan, 'term' | 'epoch'>,
): Plan {
  return {
    ...idOf(spec),
    ...about,
    handover: 'replay',
    model: spec.model,
    inputs: inputs.map(spec => ({ ...spec, dims: [...spec.dims] })),
    outputs: outputs.map(spec => ({ ...spec, dims: [...spec.dims] })),
    stages,
    window: windowOf(spec, stages.length),
    ...(spec.window === undefined ? { leastWindow: leastWindowOf(stages) } : {}),
    lz4: spec.lz4,
    wire: spec.wire,
    links: spec.links,
    sampleError,
    predicted,
    reason: 'deployed',
    asked: askedOf(spec),
    cuts: [...cuts],
    ...(spec.sensors === undefined ? {} : { sensors: spec.sensors }),
  }
}
