import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { type Costs, type Machine, type MemoryCosts, memoryCosts, type Rate } from '../../core/costs/index.js'
import { ModelBuilder } from '../../core/synthetic/index.js'
import { ONNXRUNTIME_VERSION } from '../session/index.js'
import { askProbe, type SpawnProbe } from './probe.js'

export interface MeasureSettings {
  readonly spawn: SpawnProbe
  /** A folder for what is only needed meanwhile. */
  readonly folder: string
  /** Time for the whole model, and for its blocks together, in ms; at least five rounds are run of each. */
  readonly budgetMs: number
  /** Limit on each of four measurements. */
  readonly limitMs: number
  readonly signal: AbortSignal
}

/**
 * What a model costs on this machine, measured in processes of their own.
 * @param model  path of an ONNX file; with its external data at most 2 GiB
 * @throws MODEL_NOT_FOUND, MODEL_INVALID, MODEL_TRUNCATED, MODEL_DATA_MISSING, MODEL_UNSUPPORTED, GRAPH_INVALID,
 *   INFERENCE_FAILED, MEASURE_TIMEOUT, RUNTIME_CRASHED, STOPPED
 */
export async function measureCosts(model: string, settings: MeasureSettings): Promise<Costs> {
  const { spawn, budgetMs, limitMs, signal } = settings
  const limits = { signal, limitMs }
  const folder = join(settings.folder, 'trace')
  await mkdir(folder)
  const order = { model: resolve(model), folder, machine: thisMachine(), budgetMs }
  const { times } = await askProbe(spawn, { type: 'times', order }, limits)
  const transport = await measureTransportCosts(settings)
  return { ...times, transport, memory: await measureMemoryCosts(order.model, times.blocks, settings) }
}

/**
 * What a message between two workers costs, measured in a process of its own.
 * @throws MEASURE_TIMEOUT, RUNTIME_CRASHED, STOPPED
 */
export async function measureTransportCosts({
  spawn,
  signal,
  limitMs,
}: Pick<MeasureSettings, 'spawn' | 'signal' | 'limitMs'>): Promise<Rate> {
  return (await askProbe(spawn, { type: 'transport' }, { signal, limitMs })).rate
}

/**
 * What workers' memory is taken by, measured in processes of their own.
 * @param model  path of an ONNX file
 * @param blocks  its own
 * @throws INFERENCE_FAILED, MEASURE_TIMEOUT, RUNTIME_CRASHED, STOPPED
 */
export async function measureMemoryCosts(
  model: string,
  blocks: Costs['blocks'],
  { spawn, folder, limitMs, signal }: Omit<MeasureSettings, 'budgetMs'>,
): Promise<MemoryCosts> {
  const limits = { signal, limitMs }
  const nothing = join(folder, 'tiny.onnx')
  await writeFile(nothing, tinyModel())
  const tiny = await askProbe(spawn, { type: 'memory', model: nothing }, limits)
  const whole = await askProbe(spawn, { type: 'memory', model }, limits)
  const weightBytes = blocks.reduce((sum, block) => sum + block.weightBytes, 0)
  const activationBytes = blocks.reduce((most, block) => Math.max(most, block.activationBytes), 0)
  return memoryCosts(tiny.growth, whole.growth, { weightBytes, activationBytes })
}

/** What measurements depend on. */
export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    node: process.version,
    onnxruntime: ONNXRUNTIME_VERSION,
  }
}

function tinyModel(): Uint8Array {
  const model = new ModelBuilder('tiny')
  model.output(model.node('Relu', [model.input('x', [1, 1])]), [1, 1])
  return model.build()
}
