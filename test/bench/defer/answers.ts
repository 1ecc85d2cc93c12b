import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openSession } from '../../../actors/session/index.js'
import { pixelScalings, scaledPixels } from '../../../core/sensing/index.js'
import { syntheticFrame } from '../../../core/synthetic/index.js'
import { type Tensor, type Tensors } from '../../../core/tensor.js'
import { type Order } from './order.js'
import { PIXELS } from './schemes.js'

const SEED = 1

/** What a model answers to different frames, and how different that is. */
export interface Answers extends Pick<Order, 'frames' | 'answers' | 'count' | 'input' | 'output'> {
  readonly classes: number
  /** Of the best class over the next, relative to the largest of all logits: the least, a tenth, the median. */
  readonly margins: readonly [number, number, number]
}

/**
 * Makes `count` synthetic frames of pixels, has the uncut model answer what they are when they are scaled, and writes both into
 * the folder, pixels as uint8 and answers as float32. What is there already of the same model is taken.
 * @param model  one input and one output of float32, and no free dims but those that can be 1
 */
export async function prepareAnswers(folder: string, model: string, count: number): Promise<Answers> {
  const id = createHash('sha256').update(readFileSync(model)).digest('hex').slice(0, 12)
  const base = join(folder, `${id}-${count}-pixels`)
  const [frames, answers] = [`${base}.frames`, `${base}.answers`]
  const session = await openSession(model)
  try {
    const known = knownAnswers(answers)
    const inputs = session.inputs.map(spec => ({ ...spec, dtype: 'uint8' as const }))
    const scalings = pixelScalings(session.inputs, PIXELS)
    const [first] = Object.entries(syntheticFrame(inputs, SEED, 0))
    if (first === undefined) throw new RangeError(`${model} has no input`)
    const made: { frame: Tensor; answer: Tensor; name: string }[] = []
    for (let i = 0; i < (known === undefined ? count : 1); i++) {
      const tensors = syntheticFrame(inputs, SEED, i)
      const [output] = Object.entries(await session.run(scaledPixels(tensors, scalings)))
      const frame = tensors[first[0]]
      if (frame === undefined || output === undefined) throw new RangeError(`${model} has no output`)
      made.push({ frame, answer: output[1], name: output[0] })
    }
    const [one] = made
    if (one === undefined) throw new RangeError('there are no frames')
    if (known === undefined) {
      writeFileSync(frames, Buffer.concat(made.map(({ frame }) => bytesOf(frame))))
      writeFileSync(answers, Buffer.concat(made.map(({ answer }) => bytesOf(answer))))
    }
    const logits = readLogits(answers, count)
    return {
      ...{ frames, answers, count },
      input: { name: first[0], dims: one.frame.dims },
      output: { name: one.name, dims: one.answer.dims },
      classes: new Set(logits.map(topOf)).size,
      margins: marginsOf(logits),
    }
  } finally {
    await session.release()
  }
}

/** Written after the frames, so that both are there. */
function knownAnswers(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}

function bytesOf({ data }: Tensor): Buffer {
  if (!(data instanceof Float32Array || data instanceof Uint8Array))
    throw new RangeError('only models of float32 are measured')
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}

/** The frames that were written. */
export function readFrames({ frames, count, input }: Pick<Order, 'frames' | 'count' | 'input'>): Tensors[] {
  const { name, dims } = input
  return rowsOf(frames, count).map(data => ({ [name]: { dtype: 'uint8', dims, data } }))
}

/** What the uncut model answers to them. */
export function readAnswers({
  answers,
  count,
  output,
}: Pick<Order, 'answers' | 'count' | 'output'>): Tensors[] {
  const { name, dims } = output
  return readLogits(answers, count).map(data => ({ [name]: { dtype: 'float32', dims, data } }))
}

function readLogits(path: string, count: number): Float32Array<ArrayBuffer>[] {
  return rowsOf(path, count).map(row => new Float32Array(row.buffer))
}

/** Each in memory of its own. */
function rowsOf(path: string, count: number): Uint8Array<ArrayBuffer>[] {
  const all = readFileSync(path)
  const width = all.length / count
  return Array.from({ length: count }, (_, i) => new Uint8Array(all.subarray(i * width, (i + 1) * width)))
}

function topOf(logits: Float32Array): number {
  return logits.indexOf(Math.max(...logits))
}

function marginsOf(rows: readonly Float32Array[]): [number, number, number] {
  const margins = rows
    .map(row => {
      const [first = 0, second = 0] = [...row].sort((a, b) => b - a)
      return (first - second) / Math.max(...row.map(Math.abs))
    })
    .sort((a, b) => a - b)
  const at = (share: number) => margins[Math.floor(share * margins.length)] ?? NaN
  return [at(0), at(0.1), at(0.5)]
}
