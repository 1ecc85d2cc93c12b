import { type OnnxSession, openSession } from 'millrace/session'
import { type ModelBuilder, syntheticFrame } from 'millrace/synthetic'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CLASSES } from './layers.js'
import { type Calibration, type ChannelStatistics, meanOf, Net, varianceOf } from './net.js'

export interface Architecture {
  readonly name: string
  /** Channels, height and width of an image. */
  readonly image: readonly [number, number, number]
  /** How many synthetic images the statistics are taken over, at once. */
  readonly calibrationFrames: number
  /** Adds the layers after `input` ([N, ...image]) and returns the tensor that becomes `logits`. */
  readonly build: (net: Net, input: string) => string
}

type Outputs = Readonly<Record<string, { readonly data: unknown }>>

/** Of the synthetic frames that networks are calibrated on: no small seed, so that users' frames are others. */
const CALIBRATION_SEED = 0x5eed_ca1b

/**
 * A network of the architecture with seeded weights, as an ONNX file with `input` float32 [N, channels, height, width]
 * and `logits` float32 [N, 1000]. Untrained, but calibrated: every layer's channels have the same mean and deviation over
 * a set of synthetic images, so that different images get different answers. The same seed gives the same bytes.
 */
export async function buildModel(architecture: Architecture, seed: number): Promise<Uint8Array> {
  return (await calibrated(architecture, seed)).build()
}

/** The same, written to `path` as it is made: no more of it is held than one layer's weights. */
export async function writeModel(architecture: Architecture, seed: number, path: string): Promise<void> {
  await writeFile(path, (await calibrated(architecture, seed)).pieces())
}

async function calibrated(architecture: Architecture, seed: number): Promise<ModelBuilder> {
  const measuring = new Net(architecture.name, seed)
  construct(architecture, measuring)
  const net = new Net(architecture.name, seed, await measure(architecture, measuring))
  net.builder.output(construct(architecture, net), ['N', CLASSES])
  return net.builder
}

function construct({ image, build }: Architecture, net: Net): string {
  const made = build(net, net.builder.input('input', ['N', ...image]))
  return net.builder.node('Identity', [made], {}, 'logits')
}

async function measure({ image, calibrationFrames }: Architecture, net: Net): Promise<Calibration> {
  const spec = { name: 'input', dtype: 'float32', dims: [calibrationFrames, ...image] } as const
  const session = await openBuilt(net.builder)
  try {
    const outputs = await session.run(syntheticFrame([spec], CALIBRATION_SEED, 0))
    return new Map(net.calibrated.map(layer => [layer, statisticsOf(outputs, layer)]))
  } finally {
    await session.release()
  }
}

/** Through a file: given in memory, ONNX Runtime would hold the model a second time. */
async function openBuilt(builder: ModelBuilder): Promise<OnnxSession> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-model-'))
  try {
    const path = join(folder, 'measuring.onnx')
    await writeFile(path, builder.pieces())
    return await openSession(path)
  } finally {
    await rm(folder, { recursive: true })
  }
}

function statisticsOf(outputs: Outputs, layer: string): ChannelStatistics {
  const [mean, variance] = [outputs[meanOf(layer)]?.data, outputs[varianceOf(layer)]?.data]
  if (!(mean instanceof Float32Array) || !(variance instanceof Float32Array)) {
    throw new Error(`the layer '${layer}' was not measured`)
  }
  return { mean, variance }
}
