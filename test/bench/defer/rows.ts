import { quantile } from '../../../core/costs/index.js'
import { type Accuracy } from './order.js'
import { type DeferMeasured } from './measure.js'

/** A scheme as a row of a table: medians over its runs, with the least and the most beside. */
export interface Row {
  readonly key: string
  readonly scheme: string
  readonly fps: number
  readonly fpsSpread: readonly [number, number]
  /** Of its frames per second to those of one device in the same round. */
  readonly ratio: number
  readonly ratioSpread: readonly [number, number]
  /** The ratio to the number of devices. */
  readonly efficiency: number
  readonly plannedFps: number
  readonly measuredToPlanned: number
  /** The ratio that no plan is above, by what was planned of it and of one device when they were deployed; left out where no plan was searched for. */
  readonly bound?: number
  readonly bytesPerFrame: number
  /** Mean over all devices, those that run nothing of it included; for the row of one device, its own. */
  readonly cpuMsPerFramePerNode: number
  /** Of the device that takes most. */
  readonly cpuMsPerFrameMost: number
  readonly hubCpuMsPerFrame: number
  /** How much less processor time a frame takes of a node than of the one device: 0 to 1. */
  readonly cpuSaved: number
  readonly latencyMs: { readonly p50: number; readonly p99: number }
  readonly top1Agreement: number
  readonly accuracy: Accuracy
  /** Workers of each stage. */
  readonly stages: readonly (readonly string[])[]
  /** Largest share of the weights that is on one device. */
  readonly mostWeights: number
  readonly epochs: readonly [number, number]
}

export interface RefusedRow {
  readonly key: string
  readonly scheme: string
  readonly refused: string
}

export function isRow(row: Row | RefusedRow): row is Row {
  return !('refused' in row)
}

export function rowsOf(measured: DeferMeasured, devices: readonly string[]): (Row | RefusedRow)[] {
  const { schemes, asked, weightBytes } = measured
  const single = schemes.find(({ key }) => key === 'single')
  if (single === undefined || 'refused' in single) throw new Error('one device was not measured')
  const singleCpu = median(single.runs.map(({ cpuMsPerFrame }) => most(cpuMsPerFrame, devices)))
  return schemes.map(scheme => {
    const name = asked.find(({ key }) => key === scheme.key)?.name ?? scheme.key
    if ('refused' in scheme) return { key: scheme.key, scheme: name, refused: scheme.refused }
    const { key, runs, predicted, deployed, stages, accuracy, epochs } = scheme
    const fps = runs.map(run => run.fps)
    const ratios = runs.map((run, i) => run.fps / (single.runs[i]?.fps ?? NaN))
    const plannedFps = predicted?.fps ?? NaN
    const tops = runs.map(({ cpuMsPerFrame }) => most(cpuMsPerFrame, devices))
    const means = runs.map(({ cpuMsPerFrame }) => sumOf(cpuMsPerFrame, devices) / devices.length)
    const perNode = key === 'single' ? singleCpu : median(means)
    const lowerBoundMs = key === 'single' ? undefined : deployed?.lowerBoundMs
    const onDevice = devices.map(id =>
      stages.reduce((sum, stage) => sum + (stage.worker === id ? stage.weightBytes : 0), 0),
    )
    return {
      ...{ key, scheme: name, fps: median(fps), fpsSpread: spread(fps) },
      ...{ ratio: median(ratios), ratioSpread: spread(ratios) },
      efficiency: median(ratios) / (key === 'single' ? 1 : devices.length),
      ...{ plannedFps, measuredToPlanned: median(fps) / plannedFps },
      ...(lowerBoundMs === undefined ? {} : { bound: 1_000 / lowerBoundMs / (single.deployed?.fps ?? NaN) }),
      bytesPerFrame: median(runs.map(run => run.bytesPerFrame)),
      cpuMsPerFramePerNode: perNode,
      cpuMsPerFrameMost: median(tops),
      hubCpuMsPerFrame: median(runs.map(({ cpuMsPerFrame }) => cpuMsPerFrame['hub'] ?? NaN)),
      cpuSaved: 1 - perNode / singleCpu,
      latencyMs: {
        p50: median(runs.map(({ latencyMs }) => latencyMs.p50)),
        p99: median(runs.map(({ latencyMs }) => latencyMs.p99)),
      },
      ...{ top1Agreement: accuracy.top1Agreement, accuracy, epochs },
      stages: workersByStage(stages),
      mostWeights: Math.max(...onDevice) / weightBytes,
    }
  })
}

function workersByStage(stages: readonly { stage: number; worker: string }[]): string[][] {
  const count = Math.max(-1, ...stages.map(({ stage }) => stage)) + 1
  return Array.from({ length: count }, (_, i) =>
    stages.flatMap(({ stage, worker }) => (stage === i ? [worker] : [])),
  )
}

function most(cpu: Readonly<Record<string, number>>, devices: readonly string[]): number {
  return Math.max(...devices.map(id => cpu[id] ?? NaN))
}

function sumOf(cpu: Readonly<Record<string, number>>, devices: readonly string[]): number {
  return devices.reduce((sum, id) => sum + (cpu[id] ?? NaN), 0)
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

function spread(values: readonly number[]): [number, number] {
  return [Math.min(...values), Math.max(...values)]
}
