import { type TensorSpec } from '../../core/tensor.js'
import { type Coding, type Wiring } from '../../core/wire.js'
import { type Converter } from './converter.js'
import { checkCoded } from './finite.js'
import { type OnnxSession, openSession, type SessionOptions } from './onnx-session.js'

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
  const session = await openSession(model, options)
  const before = await converter('decode', beside(decodes))
  const after = await converter('encode', beside(encodes))
  const native = encodes.filter(coding => !coding.beside)
  const inputs = before?.crossing(session.inputs) ?? session.inputs
  const outputs = after?.crossing(session.outputs) ?? session.outputs
  return {
    ...{ inputs, outputs, inputNames: namesOf(inputs), outputNames: namesOf(outputs) },
    endProfiling: () => session.endProfiling(),
    run: async feeds => {
      const made = await session.run((await before?.run(feeds)) ?? feeds)
      checkCoded(native, made)
      return after?.run(made) ?? made
    },
    release: async () => {
      for (const one of [session, before, after]) await one?.release()
    },
  }
}

/** Undefined: nothing is to be converted, and what would do it, which takes most of a thread's start, is not loaded. */
async function converter(
  direction: 'encode' | 'decode',
  codings: readonly Coding[],
): Promise<Converter | undefined> {
  if (codings.length === 0) return undefined
  const { Converter } = await import('./converter.js')
  return Converter.open(direction, codings)
}

function beside(codings: readonly Coding[]): Coding[] {
  return codings.filter(coding => coding.beside)
}

function namesOf(specs: readonly TensorSpec[]): string[] {
  return specs.map(({ name }) => name)
}
