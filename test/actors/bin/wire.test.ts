import test from 'ava'
import { type RunSummary } from '../../../actors/bin/run/summary.js'
import { millrace } from '../../support/cli.js'
import { inCheckout } from '../../support/index.js'

const DIGITS = inCheckout('examples/digits/digits.onnx')
const HELD_OUT = inCheckout('examples/digits/held-out.json')

async function runDigits(wire: string): Promise<RunSummary> {
  const args = ['run', DIGITS, '--dataset', HELD_OUT, '--workers', '3', '--partitions', '3', '--json']
  const ended = await millrace([...args, '--wire', wire])
  if (ended.status !== 0) throw new Error(ended.stderr)
  return JSON.parse(ended.stdout) as RunSummary
}

/** Of what crosses cuts. The frame itself, the result and the headers of all messages are beside that. */
function crossingBytes({ stages }: RunSummary): number {
  return stages.slice(0, -1).reduce((sum, { outBytes }) => sum + outBytes, 0)
}

test.serial('run --wire u8 - answers the held-out digits as f32 does, and sends far fewer bytes', async t => {
  const [exact, lossy] = [await runDigits('f32'), await runDigits('u8')]
  t.is(exact.wire, 'f32')
  t.deepEqual(
    lossy.stages.map(({ wire }) => wire),
    ['u8', 'u8', 'f32'],
  )
  t.is(lossy.frames.predicted, 360)
  t.true(Math.abs((exact.accuracy ?? 0) - (lossy.accuracy ?? 1)) <= 0.003)
  t.true(lossy.verify.checked === 20 && lossy.verify.maxRelativeError > 1e-4)
  t.true(lossy.verify.checked === 20 && lossy.verify.maxRelativeError < 0.05)
  // Four times fewer at the same cuts; where crossing is cheaper, others may be chosen.
  t.true(crossingBytes(lossy) * 2.5 < crossingBytes(exact))
  t.true(lossy.bytesPerFrame < 0.5 * exact.bytesPerFrame)
  t.log(
    `accuracy ${exact.accuracy} and ${lossy.accuracy}; ${exact.bytesPerFrame} and ${lossy.bytesPerFrame} bytes per frame over all hops, ${crossingBytes(exact)} and ${crossingBytes(lossy)} of what crosses cuts`,
  )
})

test.serial('run --wire u8c - has scales for each channel, in few more bytes than u8', async t => {
  const [coarse, finer] = [await runDigits('u8'), await runDigits('u8c')]
  t.is(finer.wire, 'u8c')
  t.is(finer.stages[0]?.wire, 'u8c')
  t.is(finer.frames.predicted, 360)
  t.true(finer.verify.checked === 20 && finer.verify.maxRelativeError > 1e-4)
  t.true(finer.verify.checked === 20 && finer.verify.maxRelativeError < 0.02)
  t.true(finer.bytesPerFrame < 1.5 * coarse.bytesPerFrame)
})

test.serial('run --wire - takes f32, f16, u8c and u8', async t => {
  const ended = await millrace(['run', DIGITS, '--wire', 'u4'])
  t.is(ended.status, 2)
  t.regex(ended.stderr, /^error OPTION_INVALID: .*wire.*f32.*f16.*u8c.*u8/m)
})
