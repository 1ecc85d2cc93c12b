import { openSession } from 'millrace/session'
import { syntheticFrame } from 'millrace/synthetic'
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
const CLASSES = 1000

/**
 * A network of the architecture with seeded weights, as an ONNX file with `input` float32 [N, channels, height, width]
 * and `logits` float32 [N, 1000]. Untrained, but calibrated: every layer's channels have the same mean and deviation over
 * a set of synthetic images, so that different images get different answers. The same seed gives the same bytes.
 */
export async function buildModel(architecture: Architecture, seed: number): Promise<Uint8Array> {
  const measuring = new Net(architecture.name, seed)
  construct(architecture, measuring)
  const calibration = await measure(architecture, measuring)
  const net = new Net(architecture.name, seed, calibration)
  net.builder.output(construct(architecture, net), ['N', CLASSES])
  return net.builder.build()
}

function construct({ image, build }: Architecture, net: Net): string {
  const made = build(net, net.builder.input('input', ['N', ...image]))
  return net.builder.node('Identity', [made], {}, 'logits')
}

async function measure({ image, calibrationFrames }: Architecture, net: Net): Promise<Calibration> {
  const spec = { name: 'input', dtype: 'float32', dims: [calibrationFrames, ...image] } as const
  const session = await openSession(net.builder.build())
  try {
    const outputs = await session.run(syntheticFrame([spec], CALIBRATION_SEED, 0))
    return new Map(net.calibrated.map(layer => [layer, statisticsOf(outputs, layer)]))
  } finally {
    await session.release()
  }
}

function statisticsOf(outputs: Outputs, layer: string): ChannelStatistics {
  const [mean, variance] = [outputs[meanOf(layer)]?.data, outputs[varianceOf(layer)]?.data]
  if (!(mean instanceof Float32Array) || !(variance instanceof Float32Array)) {
    throw new Error(`the layer '${layer}' was not measured`)
  }
  return { mean, variance }
}
