import { firstValueFrom } from 'rxjs'
import { type Pipeline } from '../../../config/pipeline.js'
import { type Plan } from '../../../core/control/index.js'

export function currentPlan(pipeline: Pipeline): Promise<Plan> {
  return firstValueFrom(pipeline.plan$)
}
