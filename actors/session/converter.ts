import { codedSpecs, type Conversion, conversionOf, foldedFor } from '../../core/graph/index.js'
import { type Tensor, type Tensors, type TensorSpec } from '../../core/tensor.js'
import { type Coding, type LossyWire } from '../../core/wire.js'
import { checkCoded } from './finite.js'
import { type OnnxSession, openSession } from './onnx-session.js'

type Direction = 'encode' | 'decode'

/** A session that converts one float32 tensor to a wire, or back. */
interface Ends {
  readonly conversion: Conversion
  readonly session: OnnxSession
}

/** Converts tensors to their wires, or back, in sessions of its own: one for each wire. */
export class Converter {
  private constructor(
    private readonly direction: Direction,
    private readonly codings: readonly Coding[],
    private readonly byWire: ReadonlyMap<LossyWire, Ends>,
  ) {}

  static async open(direction: Direction, codings: readonly Coding[]): Promise<Converter> {
    const byWire = new Map<LossyWire, Ends>()
    for (const wire of new Set(codings.map(coding => coding.wire))) {
      const conversion = conversionOf(direction, wire)
      byWire.set(wire, { conversion, session: await openSession(conversion.model) })
    }
    return new Converter(direction, codings, byWire)
  }

  /**
   * `tensors` with those that are to be converted in their other form.
   * @throws WIRE_OVERFLOW: one of them cannot be carried; INFERENCE_FAILED
   */
  async run(tensors: Tensors): Promise<Tensors> {
    let all = tensors
    for (const coding of this.codings) all = await this.convert(all, coding)
    if (this.direction === 'encode') {
      checkCoded(
        this.codings.filter(({ value }) => Object.hasOwn(tensors, value)),
        all,
      )
    }
    return all
  }

  /** The types of what crosses in place of what a model itself takes or gives. */
  crossing(specs: readonly TensorSpec[]): TensorSpec[] {
    return specs.flatMap(spec => {
      const coding = this.codings.find(({ value }) => value === spec.name)
      return coding === undefined ? [spec] : codedSpecs(coding, spec)
    })
  }

  async release(): Promise<void> {
    for (const { session } of this.byWire.values()) await session.release()
  }

  private async convert(tensors: Tensors, { value, wire, tensors: names }: Coding): Promise<Tensors> {
    const ends = this.byWire.get(wire)
    const inOrder = [names, ends?.conversion.tensors ?? []] as const
    const outside = [[value], [ends?.conversion.value ?? '']] as const
    const [from, to] = this.direction === 'encode' ? [outside, inOrder] : [inOrder, outside]
    const [first] = from[0].map(name => tensors[name])
    if (ends === undefined || first === undefined) return tensors
    const feeds = renamed(tensors, from[0], from[1], foldedFor(wire, first.dims))
    const made = renamed(await ends.session.run(feeds), to[1], to[0], first.dims)
    const others = Object.entries(tensors).filter(([name]) => !from[0].includes(name))
    return { ...Object.fromEntries(others), ...made }
  }
}

/** Some of `tensors` under other names; the first, which alone has the tensor's dims, with other ones. */
function renamed(
  tensors: Tensors,
  names: readonly string[],
  others: readonly string[],
  dims: readonly number[],
): Tensors {
  return Object.fromEntries(
    names.flatMap((name, i): [string, Tensor][] => {
      const value = tensors[name]
      return value === undefined ? [] : [[others[i] ?? name, i === 0 ? { ...value, dims } : value]]
    }),
  )
}
