import test from 'ava'
import { chainOf, memoryFactorsOf, parseCosts } from '../../../core/costs/index.js'
import { codeOf } from '../../support/errors.js'
import { SAMPLE } from './samples.js'

test('costs - a file gives back what was measured', t => {
  t.deepEqual(parseCosts(JSON.stringify(SAMPLE), 'x.json'), SAMPLE)
})

const [first, second] = SAMPLE.blocks
const refused: Record<string, { content: string; says: RegExp }> = {
  'text that is no JSON': { content: '{"version":', says: /JSON/ },
  'nothing at all': { content: '', says: /JSON/ },
  'another version': { content: JSON.stringify({ ...SAMPLE, version: 0 }), says: /version/ },
  'a time below zero': {
    content: JSON.stringify({ ...SAMPLE, blocks: [{ ...first, computeMs: -1 }, second] }),
    says: /blocks\.0\.computeMs/,
  },
  'a field too many': { content: JSON.stringify({ ...SAMPLE, extra: 1 }), says: /extra/ },
  'blocks with a gap': {
    content: JSON.stringify({ ...SAMPLE, blocks: [first, { ...second, from: 3 }] }),
    says: /block 1/,
  },
  'a crossing too few': {
    content: JSON.stringify({ ...SAMPLE, crossings: SAMPLE.crossings.slice(1) }),
    says: /3 crossings, not 2/,
  },
}
for (const [what, { content, says }] of Object.entries(refused)) {
  test(`costs - ${what} is refused, with the file's name and the place`, t => {
    t.is(
      codeOf(() => parseCosts(content, 'x.json')),
      'COSTS_INVALID',
    )
    const { message } = t.throws(() => parseCosts(content, 'x.json'))
    t.regex(message, says)
    t.regex(message, /x\.json/)
  })
}

test('costs - a chain has the blocks, and at each crossing half the way, the codec and what a cut adds', t => {
  const { blocks, crossings } = chainOf(SAMPLE)
  t.deepEqual(blocks, [
    { computeMs: 2, weightBytes: 400, activationBytes: 96 },
    { computeMs: 3, weightBytes: 80, activationBytes: 48 },
  ])
  const at = (bytes: number, tensors: number, sendMs: number, receiveMs: number) => {
    // Of the 2 + 0.02 per byte that both ends take.
    const way = 1 + 0.01 * bytes
    return { bytes, tensors, sendMs: way + sendMs, receiveMs: way + receiveMs }
  }
  t.deepEqual(
    crossings.map(({ bufferBytes }) => bufferBytes),
    [4_000, 8_000, 2_000],
  )
  const near = crossings.map(({ bytes, tensors, sendMs, receiveMs }) => {
    return { bytes, tensors, sendMs: Number(sendMs.toFixed(9)), receiveMs: Number(receiveMs.toFixed(9)) }
  })
  t.deepEqual(near, [at(100, 1, 2, 2.5), at(200, 2, 3.25, 5), at(50, 1, 1.5, 1.5)])
})

test('costs - where LZ4 is seen to shrink messages links have less to carry', t => {
  const bytes = chainOf({ ...SAMPLE, packed: new Map([[1, 0.25]]) }, 'u8').crossings.map(one => one.bytes)
  t.deepEqual(bytes, [100, 310 / 4, 50])
})

test('costs - where it is not seen what LZ4 leaves, but elsewhere it is, it leaves about as much', t => {
  const [first, inner, last] = SAMPLE.crossings
  if (first === undefined || inner === undefined || last === undefined) return t.fail()
  const [one, two] = SAMPLE.blocks
  if (one === undefined || two === undefined) return t.fail()
  const longer = { ...SAMPLE, blocks: [one, two, two, two], crossings: [first, inner, inner, inner, last] }
  const packed = new Map([
    [1, 0.5],
    [3, 1],
  ])
  const bytes = chainOf({ ...longer, packed }, 'u8').crossings.map(crossing => crossing.bytes)
  t.deepEqual(bytes, [100, 310 / 2, 310 * 0.75, 310, 50])
})

test('costs - on another wire the floats of a crossing take a half or a quarter, and are converted', t => {
  const [inputs, inner, outputs] = chainOf(SAMPLE).crossings
  for (const [wire, bytes, tensors, encodeMs, decodeMs] of [
    ['f16', 140, 2, 0.5 + 15, 0.25 + 15],
    // A scale and a zero point go with what is quantised.
    ['u8c', 325, 4, 1.5 + 45, 0.5 + 45],
    ['u8', 310, 4, 1 + 30, 0.5 + 30],
  ] as const) {
    const chain = chainOf(SAMPLE, wire)
    t.deepEqual([chain.crossings[0], chain.crossings[2]], [inputs, outputs])
    t.deepEqual(chain.blocks, chainOf(SAMPLE).blocks)
    const other = chain.crossings[1]
    t.deepEqual([other?.bytes, other?.tensors], [bytes, tensors])
    // What the bytes themselves cost goes with them: 0.01 on the way, and 0.01 and 0.02 in the codec.
    const fewer = 200 - bytes
    t.is(other?.sendMs.toFixed(6), ((inner?.sendMs ?? 0) - 0.02 * fewer + encodeMs).toFixed(6))
    t.is(other?.receiveMs.toFixed(6), ((inner?.receiveMs ?? 0) - 0.03 * fewer + decodeMs).toFixed(6))
  }
})

test('costs - a worker begins with a process and a session', t => {
  t.deepEqual(memoryFactorsOf(SAMPLE), { processBytes: 57_000, weightFactor: 1.25 })
})
