import { type Plan, type Predicted } from '../../../core/control/index.js'
import { coarsestOf } from '../../../core/wire.js'
import { proofText } from '../plan/plan-text.js'
import { msText } from '../plan/units.js'

/** What a plan should come to, whom it leaves out, and what its wire costs; no lines where it does not say. */
export function predictedLines(plan: Plan): string[] {
  const { predicted, stages } = plan
  if (predicted === undefined) return lossyLines(plan)
  const { fps, latencyMs, bottleneck, bottleneckMs, unused } = predicted
  const speed = `${Number(fps.toPrecision(3))} fps, ${msText(latencyMs)} through the empty pipeline`
  const slowest = `slowest is ${bottleneck}, ${msText(bottleneckMs)} per frame`
  const workers = new Set(stages.map(({ worker }) => worker)).size
  return [
    `predicted  ${speed}; ${slowest}${proofOf(predicted)}`,
    ...(unused.length === 0 ? [] : [`not used   ${unused.join(', ')}${whyUnused(predicted, workers)}`]),
    ...lossyLines(plan),
  ]
}

/** What a lossy wire costs; no lines where nothing is lost. */
function lossyLines({ wire = 'f32', sampleError, stages }: Plan): string[] {
  if (wire === 'f32') return []
  if (wire === 'auto') {
    const used = coarsestOf(stages.map(stage => stage.wire))
    return [
      `wire       auto, ${used} at most; relative error ${sampleError.toExponential(1)} on sample frames`,
    ]
  }
  return [`wire       ${wire}; relative error ${sampleError.toExponential(1)} on a sample frame`]
}

function proofOf({ optimal, gap, solveMs }: Predicted): string {
  if (optimal === undefined || gap === undefined) return ''
  const time = solveMs === undefined ? '' : `; planned in ${msText(solveMs)}`
  return ` (${proofText(optimal, gap)}${time})`
}

/** Nothing where the number of partitions was asked for. */
function whyUnused({ optimal }: Predicted, workers: number): string {
  if (optimal === undefined) return ''
  if (workers > 1)
    return optimal ? ': more workers would not make it faster' : ': no faster plan with them was found'
  return optimal ? ': no plan with several workers is faster' : ': several workers would hardly be faster'
}
