import { benchOptions, UsageError } from '../../bench/bench.js'
import { Wire } from '../../../core/wire.js'
import { type Bed } from './cell.js'

/** What `npm run chaos` is asked for. */
export type Command = { readonly seed: number } & (
  | {
      readonly kind: 'matrix'
      /** Of a cell, or of a fault at all its places; none: all cells. */
      readonly cells: readonly string[]
      /** Undefined: all. */
      readonly bed: Bed | undefined
      /** On links between stages. */
      readonly wire: Wire
    }
  | { readonly kind: 'random'; readonly model: 'digits' | 'resnet50'; readonly minutes: number }
  | { readonly kind: 'busy' | 'frozen-consumer'; readonly minutes: number }
)

const BEDS: readonly Bed[] = ['digits', 'mosquitto', 'resnet50']
const MODELS = ['digits', 'resnet50'] as const
const MOST_MINUTES = 24 * 60
const BUSY_MINUTES = 10
const FROZEN_MINUTES = 1

/** @throws UsageError */
export function commandOf(args: readonly string[]): Command {
  const values = benchOptions(args, {
    matrix: { type: 'boolean', default: false },
    cell: { type: 'string', multiple: true, default: [] },
    bed: { type: 'string' },
    wire: { type: 'string' },
    busy: { type: 'boolean', default: false },
    'frozen-consumer': { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    model: { type: 'string', default: 'digits' },
  })
  const { matrix, cell, busy, minutes } = values
  const seed = seedOf(values.seed)
  const wanted = [matrix || cell.length > 0 || values.bed !== undefined, busy, values['frozen-consumer']]
  if (wanted.filter(Boolean).length > 1) throw new UsageError('what is to be run? One thing at a time')
  if (values.wire !== undefined && wanted[0] !== true)
    throw new UsageError('--wire is for cells of the matrix')
  if (busy) return { kind: 'busy', seed, minutes: minutesOf(minutes, BUSY_MINUTES) }
  if (values['frozen-consumer'])
    return { kind: 'frozen-consumer', seed, minutes: minutesOf(minutes, FROZEN_MINUTES) }
  if (wanted[0] === true) {
    if (minutes !== undefined) throw new UsageError('the matrix takes as long as it takes: without --minutes')
    const wire = oneOf('wire', Wire.options, values.wire) ?? 'f32'
    return { kind: 'matrix', seed, cells: cell, bed: oneOf('bed', BEDS, values.bed), wire }
  }
  if (minutes === undefined) throw new UsageError('what is to be run?')
  const model = oneOf('model', MODELS, values.model) ?? 'digits'
  return { kind: 'random', seed, model, minutes: minutesOf(minutes) }
}

function seedOf(text: string): number {
  const seed = Number(text)
  if (text.trim() === '' || !Number.isSafeInteger(seed) || seed < 0)
    throw new UsageError(`--seed ${text} is no integer from 0`)
  return seed
}

function minutesOf(text: string | undefined, otherwise = NaN): number {
  const minutes = text === undefined ? otherwise : Number(text)
  if (minutes > 0 && minutes <= MOST_MINUTES) return minutes
  throw new UsageError(`--minutes ${text} is not above 0 and at most ${MOST_MINUTES}`)
}

function oneOf<T extends string>(
  option: string,
  known: readonly T[],
  text: string | undefined,
): T | undefined {
  const found = known.find(one => one === text)
  if (found === undefined && text !== undefined)
    throw new UsageError(`--${option} ${text} is none of ${known.join(', ')}`)
  return found
}
