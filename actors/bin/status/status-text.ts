import {
  type ClusterView,
  type PipelineState,
  type StageState,
  type WorkerState,
} from '../../../config/cluster-view.js'
import { type Column, fitTable } from '../cli/fit-table.js'
import { round } from '../cli/tables.js'

export interface Screen {
  /** Columns. */
  readonly width: number
  readonly colours: boolean
}

const COLOURS = { green: 32, yellow: 33, red: 31 } as const
const STATE_COLOURS: Readonly<Record<string, keyof typeof COLOURS>> = {
  alive: 'green',
  ready: 'green',
  degraded: 'yellow',
  silent: 'red',
  lost: 'red',
  stalled: 'red',
  slow: 'yellow',
  failed: 'red',
}

/** A cluster as three tables. */
export function statusText({ leader, workers, pipelines, stages }: ClusterView, screen: Screen): string {
  const lead =
    leader === undefined ? 'no supervisor' : `supervisor '${leader.supervisor}', term ${leader.term}`
  const errors = pipelines.flatMap(({ pipeline, error }) =>
    error === undefined ? [] : [`${pipeline}: ${error.code}: ${error.message}`],
  )
  const findings = workers.flatMap(({ worker, finding }) =>
    finding === undefined ? [] : [`${worker}: ${finding.code}: ${finding.message}`],
  )
  return [
    lead,
    tableOr(workerColumns(screen), workers, screen, 'no workers'),
    tableOr(pipelineColumns(screen, pipelines), pipelines, screen, 'no pipelines'),
    ...(stages.length === 0 ? [] : [fitTable(stageColumns(stages), stages, screen.width)]),
    ...([...findings, ...errors].length === 0 ? [] : [[...findings, ...errors].join('\n')]),
  ].join('\n\n')
}

function tableOr<R>(
  columns: readonly Column<R>[],
  rows: readonly R[],
  { width }: Screen,
  none: string,
): string {
  return rows.length === 0 ? none : fitTable(columns, rows, width)
}

function workerColumns({ colours }: Screen): Column<WorkerState>[] {
  return [
    { head: 'worker', cell: ({ worker }) => worker, shrinkTo: 8 },
    { head: 'state', cell: conditionOf, paint: painter(colours) },
    { head: 'cores', cell: ({ cores }) => cores, drop: 2 },
    { head: 'cpu', cell: ({ cpuPercent }) => percent(cpuPercent), drop: 4 },
    { head: 'memory', cell: ({ rssBytes }) => amount(rssBytes, 'B'), drop: 3 },
    { head: 'of', cell: ({ memoryBytes }) => amount(memoryBytes, 'B'), drop: 1 },
    { head: 'runs', cell: ({ actors }) => runs(actors), shrinkTo: 10 },
  ]
}

/** Canaries show where there is one. */
function pipelineColumns({ colours }: Screen, pipelines: readonly PipelineState[]): Column<PipelineState>[] {
  const tried = pipelines.some(({ canary }) => canary !== undefined)
  return [
    { head: 'pipeline', cell: ({ pipeline }) => pipeline, shrinkTo: 8 },
    { head: 'state', cell: ({ state }) => state, paint: painter(colours) },
    { head: 'epoch', cell: ({ epoch }) => epoch, drop: 4 },
    { head: 'fps', cell: ({ fps }) => figure(fps) },
    { head: 'p50 ms', cell: ({ latencyMs }) => figure(latencyMs?.p50), drop: 7 },
    { head: 'p99 ms', cell: ({ latencyMs }) => figure(latencyMs?.p99), drop: 8 },
    { head: 'in flight', cell: ended(frames => frames.inFlight), drop: 6 },
    { head: 'predicted', cell: ended(frames => frames.predicted), drop: 3 },
    { head: 'dropped', cell: ended(frames => frames.dropped), drop: 2 },
    { head: 'failed', cell: ended(frames => frames.failed), drop: 5 },
    { head: 'why', cell: ({ reason }) => reason, drop: 1.5 },
    { head: 'version', cell: ({ version }) => version, shrinkTo: 8, drop: tried ? 9 : 0.5 },
    ...(tried ? [{ head: 'canary', cell: canaryOf, shrinkTo: 8, drop: 10 }] : []),
    { head: 'model', cell: ({ model }) => model, shrinkTo: 8, drop: 1 },
  ]
}

/** Share first, as names are cut. */
function canaryOf({ canary }: PipelineState): string | undefined {
  return canary && `${round(100 * canary.share, 2)} % ${canary.version}`
}

/** Version and replica show where not all are alike. */
function stageColumns(stages: readonly StageState[]): Column<StageState>[] {
  const replicas = stages.some(({ replica }) => replica > 0)
  const epochs = new Map(stages.map(({ pipeline, epoch }) => [pipeline, epoch]))
  const versions = stages.some(({ pipeline, epoch }) => epochs.get(pipeline) !== epoch)
  return [
    {
      head: 'stage',
      cell: ({ pipeline, stage, replica }) => `${pipeline}/${stage}${replicas ? `/${replica}` : ''}`,
      shrinkTo: 8,
    },
    ...(versions
      ? [{ head: 'version', cell: ({ version }: StageState) => version, shrinkTo: 8, drop: 7 }]
      : []),
    { head: 'worker', cell: ({ worker }) => worker, shrinkTo: 8 },
    { head: 'frames/s', cell: ({ framesPerSecond }) => figure(framesPerSecond) },
    { head: 'ms', cell: ({ msPerFrame }) => figure(msPerFrame), drop: 6 },
    { head: 'waiting', cell: ({ waiting }) => waiting, drop: 4 },
    { head: 'failed', cell: ({ failures }) => failures, drop: 5 },
    { head: 'in', cell: ({ bytesInPerSecond }) => amount(bytesInPerSecond, 'B/s'), drop: 2 },
    { head: 'out', cell: ({ bytesOutPerSecond }) => amount(bytesOutPerSecond, 'B/s'), drop: 3 },
    { head: 'link', cell: ({ link }) => link, drop: 1 },
  ]
}

const CONDITIONS = { WORKER_LOST: 'lost', WORKER_STALLED: 'stalled', WORKER_SLOW: 'slow' } as const

function conditionOf({ state, finding }: WorkerState): string {
  return finding === undefined ? state : CONDITIONS[finding.code]
}

/** Counts since the dispatchers started, where one tells. */
function ended(of: (frames: PipelineState['frames']) => number) {
  return ({ dispatchers, frames }: PipelineState) => (dispatchers.length === 0 ? undefined : of(frames))
}

function painter(colours: boolean): (text: string) => string {
  return text => {
    const colour = STATE_COLOURS[text.trim()]
    return colours && colour !== undefined ? `\u001b[${COLOURS[colour]}m${text}\u001b[39m` : text
  }
}

function runs(actors: WorkerState['actors']): string {
  return actors.map(({ pipeline, stage }) => `${pipeline}/${stage}`).join(' ') || '-'
}

/** Three figures that count. */
function figure(value: number | undefined): number | undefined {
  if (value === undefined) return undefined
  return round(value, value >= 100 ? 0 : value >= 10 ? 1 : 2)
}

function percent(value: number | undefined): string | undefined {
  return value === undefined ? undefined : `${round(value, 0)} %`
}

/** In steps of 1,000, as `1.2 MB/s`. */
function amount(value: number | undefined, unit: string): string | undefined {
  if (value === undefined) return undefined
  const step = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)))
  return `${figure(value / 1_000 ** step)} ${['', 'k', 'M', 'G', 'T'][step]}${unit}`
}
