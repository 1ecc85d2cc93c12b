import { type Conversion, conversionOf } from '../../core/graph/index.js'
import { type Tensor, type Tensors, type TensorSpec } from '../../core/tensor.js'
import { type Coding, type Wiring } from '../../core/wire.js'
import { checkCoded } from './finite.js'
import { type OnnxSession, openSession, type SessionOptions } from './onnx-session.js'

/** A session that converts one float32 tensor to a wire, or back. */
interface Converter {
  readonly conversion: Conversion
  readonly session: OnnxSession
}

type Direction = 'encode' | 'decode'

/**
 * A partition's model in ONNX Runtime, that takes what arrives over the wire and gives what leaves over it. Where its
 * operator set has no operators for that, sessions of their own convert beside it.
 * @throws as `openSession`; its `run` also WIRE_OVERFLOW: what the model made cannot leave over the wire
 */
export async function openWired(
  model: string | Uint8Array,
  { decodes = [], encodes = [] }: Wiring,
  options: SessionOptions = {},
): Promise<OnnxSession> {
  const opened: OnnxSession[] = []
  const open = async (...given: Parameters<typeof openSession>) => {
    const session = await openSession(...given)
    opened.push(session)
    return session
  }
  const release = async () => {
    for (const session of opened) await session.release()
  }
  try {
    const session = await open(model, options)
    const before = await convertersOf(decodes, 'decode', open)
    const after = await convertersOf(encodes, 'encode', open)
    const [inputs, outputs] = [crossing(session.inputs, before), crossing(session.outputs, after)]
    return {
      ...{ inputs, outputs, inputNames: namesOf(inputs), outputNames: namesOf(outputs), release },
      endProfiling: () => session.endProfiling(),
      run: async feeds => {
        const made = await session.run(await converted(feeds, before, decoded))
        const leaving = await converted(made, after, encoded)
        checkCoded(encodes, leaving)
        return leaving
      },
    }
  } catch (error) {
    await release()
    throw error
  }
}

type Converters = ReadonlyMap<Coding, Converter>

/** One session for all tensors of the same wire. */
async function convertersOf(
  codings: readonly Coding[],
  direction: Direction,
  open: typeof openSession,
): Promise<Converters> {
  const byWire = new Map<Coding['wire'], Converter>()
  const converters = new Map<Coding, Converter>()
  for (const coding of codings.filter(({ beside }) => beside)) {
    const known = byWire.get(coding.wire)
    const conversion = known?.conversion ?? conversionOf(direction, coding.wire)
    const converter = known ?? { conversion, session: await open(conversion.model) }
    byWire.set(coding.wire, converter)
    converters.set(coding, converter)
  }
  return converters
}

function namesOf(specs: readonly TensorSpec[]): string[] {
  return specs.map(({ name }) => name)
}

/** What crosses in place of what the model itself takes or gives. */
function crossing(specs: readonly TensorSpec[], converters: Converters): TensorSpec[] {
  return specs.flatMap(spec => {
    const found = [...converters].find(([{ value }]) => value === spec.name)
    if (found === undefined) return [spec]
    const [{ tensors }, { conversion, session }] = found
    const ends = [...session.inputs, ...session.outputs]
    return tensors.flatMap((name, i) => {
      const end = ends.find(one => one.name === conversion.tensors[i])
      return end === undefined ? [] : [{ ...end, name, dims: i === 0 ? spec.dims : end.dims }]
    })
  })
}

type Convert = (tensors: Tensors, coding: Coding, converter: Converter) => Promise<Tensors>

async function converted(tensors: Tensors, converters: Converters, convert: Convert): Promise<Tensors> {
  let all = tensors
  for (const [coding, converter] of converters) all = await convert(all, coding, converter)
  return all
}

async function encoded(
  tensors: Tensors,
  { value, tensors: names }: Coding,
  { conversion, session }: Converter,
): Promise<Tensors> {
  const { [value]: plain, ...others } = tensors
  if (plain === undefined) return tensors
  const made = await session.run({ [conversion.value]: flat(plain) })
  const parts = conversion.tensors.map((name, i) => [names[i] ?? name, made[name]] as const)
  return { ...others, ...present(parts, plain.dims) }
}

async function decoded(
  tensors: Tensors,
  { value, tensors: names }: Coding,
  { conversion, session }: Converter,
): Promise<Tensors> {
  const [coded] = names.map(name => tensors[name])
  if (coded === undefined) return tensors
  const others = Object.fromEntries(Object.entries(tensors).filter(([name]) => !names.includes(name)))
  const parts = conversion.tensors.map((name, i) => [name, tensors[names[i] ?? '']] as const)
  const made = await session.run({ ...present(parts), [conversion.tensors[0] ?? '']: flat(coded) })
  return { ...others, ...present([[value, made[conversion.value]]], coded.dims) }
}

/** Of one dim, as conversions take it. */
function flat(value: Tensor): Tensor {
  return { ...value, dims: [value.data.length] }
}

/** Those that are there; with `dims` for the first. */
function present(
  entries: readonly (readonly [string, Tensor | undefined])[],
  dims?: readonly number[],
): Tensors {
  return Object.fromEntries(
    entries.flatMap(([name, value], i) => {
      if (value === undefined) return []
      return [[name, i === 0 && dims !== undefined ? { ...value, dims } : value] as const]
    }),
  )
}
