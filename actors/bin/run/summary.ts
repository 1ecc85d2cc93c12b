import { type LedgerCounts } from '../../../core/ledger.js'
import { type Plan, type Predicted } from '../../../core/control/index.js'
import { type WireChoice } from '../../../core/wire.js'
import { predictedLines } from '../cli/predicted-text.js'
import { planTable, round } from '../cli/tables.js'
import { type StreamResult } from './stream.js'
import { type Verification } from './verify.js'

export interface RunSummary {
  readonly model: string
  readonly workers: number
  readonly fps: number
  readonly latencyMs: { readonly p50: number; readonly p99: number }
  readonly frames: {
    readonly admitted: number
    readonly predicted: number
    readonly dropped: number
    readonly failed: number
    readonly duplicates: number
    readonly misordered: number
  }
  /** Share of frames with a known label that were predicted right, 0 to 1. */
  readonly accuracy?: number
  readonly verify: Verification
  /** Over all hops, the frame's and the result's included. */
  readonly bytesPerFrame: number
  readonly recoveries: readonly []
  /** What float32 tensors cross cuts as. */
  readonly wire: WireChoice
  readonly stages: Plan['stages']
  /** What the plan was expected to come to. */
  readonly planned?: Predicted
}

export function summarise(
  plan: Plan,
  counts: LedgerCounts,
  stream: StreamResult,
  verify: Verification,
  labelled: boolean,
): RunSummary {
  const { admitted, predicted, dropped, failed, duplicates } = counts
  const sorted = [...stream.latenciesMs].sort((a, b) => a - b)
  return {
    model: plan.model.name,
    workers: new Set(plan.stages.map(({ worker }) => worker)).size,
    fps: round(stream.fps, 2),
    latencyMs: { p50: round(quantile(sorted, 0.5), 2), p99: round(quantile(sorted, 0.99), 2) },
    frames: { admitted, predicted, dropped, failed, duplicates, misordered: stream.misordered },
    ...(labelled ? { accuracy: round(stream.right / admitted, 4) } : {}),
    verify,
    bytesPerFrame: Math.round(stream.bytes / Math.max(1, stream.predicted)),
    recoveries: [],
    wire: plan.wire ?? 'f32',
    stages: plan.stages,
    ...(plan.predicted === undefined ? {} : { planned: plan.predicted }),
  }
}

export function summaryText(plan: Plan, summary: RunSummary): string {
  const { frames, latencyMs, fps, accuracy, verify, bytesPerFrame } = summary
  const others = `${frames.dropped} dropped, ${frames.failed} failed, ${frames.duplicates} duplicated, ${frames.misordered} misordered`
  return [
    planTable(plan),
    '',
    `frames     ${frames.predicted} predicted of ${frames.admitted} admitted; ${others}`,
    ...predictedLines(plan),
    `speed      ${fps} fps, latency ${latencyMs.p50} ms (p50), ${latencyMs.p99} ms (p99)`,
    `traffic    ${bytesPerFrame} bytes per frame over all hops`,
    ...(accuracy === undefined ? [] : [`accuracy   ${round(100 * accuracy, 2)} % of the labels`]),
    `verified   ${verifyText(verify)}`,
  ].join('\n')
}

function verifyText(verify: Verification): string {
  if ('refused' in verify) return `refused: ${verify.refused}`
  const agreement = `${round(100 * verify.top1Agreement, 1)} % same top class`
  return `${verify.checked} frames against the uncut model: maximum relative error ${verify.maxRelativeError.toExponential(1)}, ${agreement}`
}

/** Nearest-rank quantile of sorted values; 0 where there are none. */
function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0
}
