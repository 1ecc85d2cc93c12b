import { MillraceError } from '../errors.js'
import { type TensorSpec } from '../tensor.js'
import { textOf } from './dims.js'

/** One value each, or one for each channel. */
interface Means {
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

/** Where an input has the channels of its pixels. */
export interface Channels {
  readonly channels: 1 | 3
  /** Undefined where no dim is theirs, as in `[H, W]`. */
  readonly axis: number | undefined
}

/**
 * Reads from an input's dims where its channels are: `[N, C, H, W]`, `[N, H, W, C]`, the same without N, or `[H, W]`, where
 * C is 1 or 3; where both orders fit, channels come first.
 * @returns undefined where it has none
 */
export function channelsOf({ dims }: TensorSpec): Channels | undefined {
  const rest = dims.length === 4 ? dims.slice(1) : dims
  const [first, , last] = rest
  if (rest.length === 2) return { channels: 1, axis: undefined }
  if (rest.length !== 3) return undefined
  if (isChannels(first)) return { channels: first, axis: dims.length - 3 }
  return isChannels(last) ? { channels: last, axis: dims.length - 1 } : undefined
}

/** @throws OPTION_INVALID: there are several values, and not as many as channels */
export function checkChannels(settings: Means, channels: number, what: string, spec: TensorSpec): void {
  for (const key of ['mean', 'std'] as const) {
    const given = settings[key].length
    if (given === 1 || given === channels) continue
    const has = `${what} ${key} has ${given} values, input '${spec.name}' [${textOf(spec)}]`
    throw new MillraceError('OPTION_INVALID', `${has} has ${channels} channels`)
  }
}

export function ofChannel(
  { mean, std }: Means,
  channel: number,
): { readonly mean: number; readonly std: number } {
  return { mean: mean[mean.length === 1 ? 0 : channel] ?? 0, std: std[std.length === 1 ? 0 : channel] ?? 1 }
}

function isChannels(dim: TensorSpec['dims'][number] | undefined): dim is 1 | 3 {
  return dim === 1 || dim === 3
}
