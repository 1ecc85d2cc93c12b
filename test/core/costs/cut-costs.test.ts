import test from 'ava'
import { blockAndCutTimes, memoryCosts } from '../../../core/costs/index.js'

const MS_PER_BYTE_IN = 2e-7
const MS_PER_BYTE_OUT = 4e-7
const PER_CUT_MS = 0.1

/** Blocks that alone take what cuts add to them. */
const BLOCKS = Array.from({ length: 12 }, (_, i) => {
  const [inBytes, outBytes] = [100_000 * (1 + (i % 4)), 50_000 * (1 + (i % 3))]
  const wholeMs = 1 + (i % 5)
  const aloneMs = wholeMs + PER_CUT_MS + inBytes * MS_PER_BYTE_IN + outBytes * MS_PER_BYTE_OUT
  return { wholeMs, aloneMs, inBytes, outBytes }
})
const SUM = BLOCKS.reduce((sum, { wholeMs }) => sum + wholeMs, 0)

function near(actual: number, expected: number): boolean {
  return Math.abs(actual - expected) <= 0.02 * expected
}

test('cut costs - are what blocks take longer alone, by the bytes that they take and give', t => {
  const { computeMs, cutMsBefore, cutMsAfter } = blockAndCutTimes(BLOCKS, SUM)
  for (const [i, { wholeMs }] of BLOCKS.entries()) t.true(near(computeMs[i] ?? NaN, wholeMs))
  t.true(near(cutMsBefore(1e6), PER_CUT_MS / 2 + 1e6 * MS_PER_BYTE_OUT), String(cutMsBefore(1e6)))
  t.true(near(cutMsAfter(1e6), PER_CUT_MS / 2 + 1e6 * MS_PER_BYTE_IN), String(cutMsAfter(1e6)))
})

test('cut costs - blocks share the time of the whole, without the share that the profiler takes', t => {
  const { computeMs } = blockAndCutTimes(BLOCKS, SUM / 2)
  t.true(near(computeMs[0] ?? NaN, (BLOCKS[0]?.wholeMs ?? NaN) / 2))
})

test('cut costs - a block that another program held up in every run counts as it does alone', t => {
  const heldUp = BLOCKS.map((block, i) => (i === 4 ? { ...block, wholeMs: 90 } : block))
  const { computeMs } = blockAndCutTimes(heldUp, SUM)
  t.true((computeMs[4] ?? NaN) < (BLOCKS[4]?.aloneMs ?? NaN))
  t.true(Math.abs((computeMs[0] ?? NaN) / (BLOCKS[0]?.wholeMs ?? NaN) - 1) < 0.05)
})

test('cut costs - one or two blocks tell nothing of cuts', t => {
  for (const blocks of [BLOCKS.slice(0, 1), BLOCKS.slice(0, 2)]) {
    const { computeMs, cutMsBefore, cutMsAfter } = blockAndCutTimes(blocks, 3)
    t.is(
      computeMs.reduce((sum, ms) => sum + ms, 0),
      3,
    )
    t.deepEqual([cutMsBefore(1e6), cutMsAfter(1e6)], [0, 0])
  }
})

const MB = 1e6

test('memory - weights have what a process grew by, without session and activations', t => {
  const tiny = { beforeBytes: 90 * MB, afterBytes: 130 * MB }
  const whole = { beforeBytes: 91 * MB, afterBytes: 341 * MB }
  t.deepEqual(memoryCosts(tiny, whole, { weightBytes: 100 * MB, activationBytes: 10 * MB }), {
    processBytes: 90 * MB,
    sessionBytes: 40 * MB,
    weightFactor: 2,
  })
})

test('memory - few weights, or a growth below theirs, give a factor of 1', t => {
  const tiny = { beforeBytes: 90 * MB, afterBytes: 130 * MB }
  const sizes = { weightBytes: 1_000, activationBytes: 0 }
  t.is(memoryCosts(tiny, { beforeBytes: 90 * MB, afterBytes: 150 * MB }, sizes).weightFactor, 1)
  const large = { weightBytes: 100 * MB, activationBytes: 0 }
  t.is(memoryCosts(tiny, { beforeBytes: 90 * MB, afterBytes: 150 * MB }, large).weightFactor, 1)
})
