import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { tensor, type Tensors } from '../../../core/tensor.js'
import { inCheckout } from '../../support/index.js'
import { type Bench, benchOptions } from '../bench.js'
import { table } from '../table.js'
import { activationsOf } from './activations.js'
import { type CodecRow, measureCodecs } from './measure.js'

/** Quantised and with LZ4, activations are to take so many times fewer bytes. */
const WANTED = 5
const BUILD_LIMIT_MS = 900_000
const PIXELS = 64
const WHITE = 16

interface ModelRows {
  readonly model: string
  readonly partitions: number
  readonly frames: number
  readonly messages: number
  /** Of float32, in the mean of a message. */
  readonly messageBytes: number
  readonly rows: readonly CodecRow[]
}

/** What wires do to the activations of real models. */
export const codecsBench: Bench = {
  options: '[--json] [--folder FOLDER]',
  summary:
    'size, error and speed of f32, f16, u8c, u8 and ZFP, each with and without LZ4, on what crosses the cuts of digits and of a ' +
    'ResNet-50; FOLDER keeps the latter for the next run',
  run: async options => {
    const known = { json: { type: 'boolean', default: false }, folder: { type: 'string' } } as const
    const { json, folder } = benchOptions(options, known)
    const place = folder === undefined ? mkdtempSync(join(tmpdir(), 'millrace-bench-')) : resolve(folder)
    try {
      const models = [
        await rowsOf('digits', inCheckout('examples/digits/digits.onnx'), 4, digits(40)),
        await rowsOf('resnet50', await resnet50(place), 8, 4),
      ]
      const kept = models.every(({ rows }) =>
        rows.every(({ wire, lz4, ratio }) => wire !== 'u8' || !lz4 || ratio >= WANTED),
      )
      if (!json) console.log(models.map(report).join('\n\n'))
      console.log(JSON.stringify({ bench: 'codecs', wanted: WANTED, kept, models }))
      return kept ? 0 : 1
    } finally {
      if (folder === undefined) rmSync(place, { recursive: true })
    }
  },
}

async function resnet50(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  const file = join(folder, 'resnet50.onnx')
  if (existsSync(file)) return file
  const build = [inCheckout('dist/examples/models/build.js'), 'resnet50', '--out', file]
  await promisify(execFile)(process.execPath, build, { timeout: BUILD_LIMIT_MS })
  return file
}

/** Images that the network was not trained on. */
function digits(count: number): Tensors[] {
  const images = readFileSync(inCheckout('examples/digits/held-out.images'))
  return Array.from({ length: count }, (_, i) => {
    const pixels = images.subarray(PIXELS * i, PIXELS * (i + 1))
    return {
      image: tensor(
        'float32',
        [1, 1, 8, 8],
        Float32Array.from(pixels, pixel => pixel / WHITE),
      ),
    }
  })
}

/** @param frames  or how many are to be made up */
async function rowsOf(
  model: string,
  path: string,
  partitions: number,
  frames: readonly Tensors[] | number,
): Promise<ModelRows> {
  const given = typeof frames === 'number' ? undefined : frames
  const count = typeof frames === 'number' ? frames : frames.length
  const messages = await activationsOf(path, partitions, count, given)
  const elements = messages.flatMap(one => Object.values(one)).reduce((sum, { data }) => sum + data.length, 0)
  return {
    ...{ model, partitions, frames: count, messages: messages.length },
    messageBytes: Math.round((4 * elements) / messages.length),
    rows: await measureCodecs(messages),
  }
}

function report({ model, partitions, frames, messageBytes, rows }: ModelRows): string {
  const title = `${model} in ${partitions} partitions, ${frames} frames, ${(messageBytes / 1e3).toFixed(1)} kB a message`
  const cells = rows.map(({ wire, lz4, ratio, error, encodeMBs, decodeMBs }) => [
    ...[wire, lz4 ? 'yes' : 'no', ratio.toFixed(2), error.toExponential(1)],
    ...[encodeMBs.toFixed(0), decodeMBs.toFixed(0)],
  ])
  return `${title}\n${table(['wire', 'LZ4', 'times smaller', 'error', 'encode MB/s', 'decode MB/s'], cells)}`
}
