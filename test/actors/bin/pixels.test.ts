import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { type RunSummary } from '../../../actors/bin/run/summary.js'
import { parseCosts } from '../../../core/costs/index.js'
import { testFolder } from '../../support/actors.js'
import { millrace } from '../../support/cli.js'
import { inCheckout } from '../../support/index.js'

const DIGITS = inCheckout('examples/digits/digits.onnx')
const HELD_OUT = inCheckout('examples/digits/held-out.json')
/** The digits are stored as 0 to 16. */
const SIXTEENTHS = '{"dtype":"uint8","scale":0.0625}'

test.serial(
  'run --input - answers digits as they are stored, and compares with the model in the file',
  async t => {
    const folder = await testFolder(t)
    const dataset = JSON.parse(await readFile(HELD_OUT, 'utf8')) as { inputs: Record<string, unknown>[] }
    const inputs = dataset.inputs.map(({ as: _as, scale: _scale, ...stored }) => stored)
    await writeFile(join(folder, 'stored.json'), JSON.stringify({ ...dataset, inputs }))
    for (const file of ['held-out.images', 'held-out.labels'])
      await copyFile(inCheckout(`examples/digits/${file}`), join(folder, file))
    const args = ['run', DIGITS, '--workers', '2', '--partitions', '2', '--input', SIXTEENTHS]
    const ended = await millrace([...args, '--json', '--dataset', join(folder, 'stored.json')])
    t.is(ended.status, 0, ended.stderr)
    const { accuracy, verify, frames } = JSON.parse(ended.stdout) as RunSummary
    t.is(frames.predicted, 360)
    t.true((accuracy ?? 0) > 0.95)
    t.true(verify.checked === 20 && verify.maxRelativeError <= 1e-4)

    const refused = await millrace([...args, '--dataset', HELD_OUT])
    t.is(refused.status, 1)
    t.regex(refused.stderr, /FRAME_DTYPE: .*'image' is uint8.*float32: it takes pixels/)
  },
)

test.serial('profile --input - measures the model that takes pixels, and keeps that apart', async t => {
  const folder = await testFolder(t)
  const profile = async (...more: string[]) => {
    const args = ['profile', DIGITS, '--profile-dir', folder, '--measure-ms', '1', '--json']
    const ended = await millrace([...args, ...more])
    t.is(ended.status, 0, ended.stderr)
    return parseCosts(ended.stdout, 'costs')
  }
  const [floats, pixels] = [await profile(), await profile('--input', 'uint8')]
  t.not(pixels.model.sha256, floats.model.sha256)
  t.deepEqual([floats.model.name, pixels.model.name], ['digits.onnx', 'digits.onnx'])
  const saved = (floats.crossings[0]?.bytes ?? 0) - (pixels.crossings[0]?.bytes ?? 0)
  t.true(Math.abs(saved - 3 * 64) < 8, `${saved} bytes fewer go in`)
  t.is(pixels.blocks.length, floats.blocks.length)
  t.is(pixels.blocks[1]?.from, (floats.blocks[1]?.from ?? 0) + 2)
})
