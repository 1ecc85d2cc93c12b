import { inRounds } from '../../../actors/profiler/index.js'
import { Converter } from '../../../actors/session/index.js'
import { relativeError } from '../../../core/compare.js'
import { decodeEnvelope, encodeEnvelope } from '../../../core/codec/index.js'
import { type Tensors, tensorsBytes } from '../../../core/tensor.js'
import { type Coding, Wire, wireFor } from '../../../core/wire.js'
import { type Form, zfpForms } from './zfp.js'

const HEADER = {
  ...{ dispatcher: 'dispatcher-of-a-machine', stream: 'stream', sequence: 1_000, epoch: 1, stage: 1 },
  ...{ turn: 1_000, admittedAt: 1.5, timings: [] },
}
const LIMITS = { budgetMs: 4_000, fewest: 5, most: 30 }

export interface CodecRow {
  /** A wire, or `zfp` with its tolerance as a part of a tensor's largest magnitude, or `reversible`. */
  readonly wire: string
  readonly lz4: boolean
  /** How many times fewer bytes messages take than with f32 and no LZ4. */
  readonly ratio: number
  /** The largest of all tensors, by promise 9. */
  readonly error: number
  /** Megabytes of float32 in a second of one core, with conversions, and checks of whether the wire can carry them. */
  readonly encodeMBs: number
  readonly decodeMBs: number
}

/** What each wire, and ZFP, does to messages, each with and without LZ4. */
export async function measureCodecs(messages: readonly Tensors[]): Promise<CodecRow[]> {
  const rows: CodecRow[] = []
  const add = async (form: Form) => {
    for (const lz4 of [false, true])
      rows.push({ wire: form.name, lz4, ...(await measure(messages, form, lz4)) })
  }
  for (const wire of Wire.options) {
    const codings = codingsOf(messages, wire)
    const [there, back] = [await Converter.open('encode', codings), await Converter.open('decode', codings)]
    await add({ name: wire, encode: tensors => there.run(tensors), decode: tensors => back.run(tensors) })
    await Promise.all([there.release(), back.release()])
  }
  for (const form of zfpForms(messages)) await add(form)
  return rows
}

function codingsOf(messages: readonly Tensors[], wire: Wire): Coding[] {
  if (wire === 'f32') return []
  const dims = new Map(
    messages.flatMap(one => Object.entries(one)).map(([name, { dims }]) => [name, dims] as const),
  )
  return [...dims].map(([value, dims]) => {
    const own = wireFor(wire, dims)
    const ends = own === 'f16' ? [''] : ['', '.scale', '.zero']
    return { value, wire: own, tensors: ends.map(end => `${value}#${own}${end}`), beside: true }
  })
}

async function measure(
  messages: readonly Tensors[],
  form: Form,
  lz4: boolean,
): Promise<Omit<CodecRow, 'wire' | 'lz4'>> {
  const encode = async (tensors: Tensors) =>
    encodeEnvelope({ header: HEADER, tensors: await form.encode(tensors) }, { lz4 })
  const decode = async (message: Uint8Array) => form.decode(decodeEnvelope(message).tensors)
  const encoded: Uint8Array[] = []
  for (const tensors of messages) encoded.push(await encode(tensors))
  const errors: number[] = []
  for (const [i, message] of encoded.entries())
    errors.push(relativeError(await decode(message), messages[i] ?? {}))
  const works = [() => forEach(messages, encode), () => forEach(encoded, decode)]
  const samples = await inRounds(works, LIMITS, async () => {})
  const [encodeMs = NaN, decodeMs = NaN] = samples.map(one => Math.min(...one))
  const kilobytes = sum(messages.map(tensorsBytes)) / 1e3
  const plain = messages.map(tensors => encodeEnvelope({ header: HEADER, tensors }))
  return {
    ratio: bytesOf(plain) / bytesOf(encoded),
    error: Math.max(...errors),
    encodeMBs: kilobytes / encodeMs,
    decodeMBs: kilobytes / decodeMs,
  }
}

async function forEach<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  for (const item of items) await work(item)
}

function bytesOf(messages: readonly Uint8Array[]): number {
  return sum(messages.map(({ byteLength }) => byteLength))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
