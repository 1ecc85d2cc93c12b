import { WireChoice } from '../../../core/wire.js'
import { UsageError } from '../bench.js'
import { type SchemeKey, SCHEMES } from './schemes.js'

const MODELS = ['resnet50', 'mobilenet-v2', 'vision-transformer', 'vgg16', 'vgg19'] as const
/** As on a command line. */
const LINKS: Readonly<Record<string, number>> = { mbit: 1, gbit: 1_000 }
export const MOST_DEVICES = 64

/** What options of several benches say. @throws UsageError, in all of these */
export function modelIn(name: string): string {
  const model = MODELS.find(one => one === name)
  if (model === undefined) throw new UsageError(`${name} is none of the models: ${MODELS.join(', ')}`)
  return model
}

export function wholeIn(option: string, text: string, least: number, most: number): number {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number >= least && number <= most) return number
  throw new UsageError(`--${option} takes a whole number from ${least} to ${most}, not ${text}`)
}

export function cpuIn(text: string): number {
  const cores = Number(text)
  if (cores >= 0.01 && cores <= 1) return cores
  throw new UsageError(`--cpu takes a share of a core from 0.01 to 1, not ${text}`)
}

export function linkIn(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)([mg]bit)$/.exec(text) ?? []
  const mbps = Number(number) * (LINKS[unit] ?? NaN)
  if (mbps > 0) return mbps
  throw new UsageError(`--link takes a bandwidth such as 1gbit or 100mbit, not ${text}`)
}

export function wireIn(text: string): WireChoice {
  const wire = WireChoice.options.find(one => one === text)
  if (wire === undefined) throw new UsageError(`--wire takes ${WireChoice.options.join(', ')}, not ${text}`)
  return wire
}

/** One device is measured with any others, because all others are compared with it. */
export function schemesIn(text: string): SchemeKey[] {
  const keys = text.split(',').map(key => {
    const scheme = SCHEMES.find(one => one === key)
    if (scheme === undefined) throw new UsageError(`--schemes takes ${SCHEMES.join(', ')}, not ${key}`)
    return scheme
  })
  return [...new Set<SchemeKey>(['single', ...keys])]
}
