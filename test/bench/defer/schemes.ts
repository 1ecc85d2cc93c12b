import { type Costs } from '../../../core/costs/index.js'
import { type WireChoice } from '../../../core/wire.js'
import { equalCuts, memoryForShare } from './limits.js'
import { type Scheme } from './order.js'

export const SCHEMES = ['single', 'defer', 'even', 'chain', 'choice', 'roomy'] as const
export type SchemeKey = (typeof SCHEMES)[number]

/** What all of them are given, as a camera has it: bytes, scaled as is usual for models of photographs. */
export const PIXELS = {
  dtype: 'uint8',
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
} as const

/** What most cuts have where wires are chosen. */
const USUAL_WIRE = 'u8c'
/** Of the frames that wires are chosen by: of 200 others one errs by more. */
const SAMPLE_ERROR = 0.015

/** Of the weights, on one device; on fewer than five devices a little more than its share. */
const SHARE = 0.25
const ROOM = 1.25

export function shareOf(devices: number): number {
  return Math.max(SHARE, Math.min(1, ROOM / devices))
}

/**
 * The ways to run a model that are compared.
 * @param costs  of the model that takes pixels
 */
export function schemesFor(
  keys: readonly SchemeKey[],
  costs: Costs,
  devices: readonly string[],
  wire: WireChoice,
): Scheme[] {
  const [, ...others] = devices
  const parts = Math.min(devices.length, costs.blocks.length)
  const cuts = equalCuts(costs, parts)
  const share = shareOf(devices.length)
  const all: Readonly<Record<SchemeKey, Omit<Scheme, 'key'>>> = {
    single: { name: 'one device, whole model', options: { partitions: 1, exclude: others } },
    defer: {
      name: "DEFER's: equal layers, f32, LZ4 (no ZFP; stages overlap as ours do)",
      options: { cuts, wire: 'f32', lz4: 'always' },
    },
    even: { name: `equal layers, ${wire}`, options: { cuts, wire, lz4: 'never' } },
    chain: {
      name: `chain of ${parts} partitions, no replicas, ${wire}`,
      options: { partitions: parts, replicas: false, wire },
    },
    choice: {
      name: `our choice, ${wire}, at most ${percent(share)} of the weights on a device`,
      options: { wire, memoryMib: memoryForShare(costs, wire === 'auto' ? USUAL_WIRE : wire, share) },
    },
    roomy: { name: `our choice, ${wire}, any share`, options: { wire } },
  }
  return keys.map(key => {
    const { name, options } = all[key]
    const budget = options.wire === 'auto' ? { wireError: SAMPLE_ERROR } : {}
    return { key, name, options: { ...options, ...budget, input: PIXELS } }
  })
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`
}
