import test from 'ava'
import fc from 'fast-check'
import { evenCuts, type PartMs } from '../../../core/planner/even-cuts.js'
import { type Chain } from '../../../core/planner/index.js'
import { codeOf } from '../../support/errors.js'

/** Small whole numbers, so that ties are frequent and sums exact. */
const exactCosts = fc.record({ computeMs: fc.nat({ max: 9 }), outBytes: fc.nat({ max: 9 }) })
const anyCosts = fc.record({
  computeMs: fc.double({ min: 0, max: 100, noNaN: true }),
  outBytes: fc.nat({ max: 1_000_000 }),
})

interface Costs {
  readonly computeMs: number
  readonly outBytes: number
}

/** Every byte that a part takes or gives costs it some time. */
function chainOf(costs: readonly Costs[], msPerByte = 0): Chain {
  const bytes = [0, ...costs.map(({ outBytes }) => outBytes)]
  return {
    blocks: costs.map(({ computeMs }) => ({ computeMs, weightBytes: 0, activationBytes: 0 })),
    crossings: bytes.map(bytes => {
      const ms = bytes * msPerByte
      return { bytes, tensors: 1, sendMs: ms, receiveMs: ms }
    }),
  }
}

/** For equal workers: of the part, or of the link before it. */
function partMsOf({ blocks, crossings }: Chain, linkMsPerByte = 0): PartMs {
  return (_, first, last) => {
    const compute = blocks.slice(first, last + 1).reduce((sum, { computeMs }) => sum + computeMs, 0)
    const { receiveMs = 0, bytes = 0 } = crossings[first] ?? {}
    const { sendMs = 0 } = crossings[last + 1] ?? {}
    return Math.max(compute + receiveMs + sendMs, first === 0 ? 0 : bytes * linkMsPerByte)
  }
}

function cut(chain: Chain, parts: number, linkMsPerByte = 0): number[] {
  return evenCuts(chain, parts, partMsOf(chain, linkMsPerByte))
}

/** Every way to choose `count` of the blocks 1, 2, ... as the first of a part; earliest first. */
function choices(blocks: number, count: number, from = 1): number[][] {
  if (count === 0) return [[]]
  const all: number[][] = []
  for (let first = from; first < blocks; first++) {
    for (const rest of choices(blocks, count - 1, first + 1)) all.push([first, ...rest])
  }
  return all
}

interface Prices {
  readonly msPerByte?: number
  readonly linkMsPerByte?: number
}

/** Of the slowest part or link. */
function bottleneckOf(
  costs: readonly Costs[],
  starts: readonly number[],
  { msPerByte = 0, linkMsPerByte = 0 }: Prices,
): number {
  const edges = [...starts, costs.length]
  const partMs = starts.map((start, i) => {
    const end = edges[i + 1] ?? 0
    const compute = costs.slice(start, end).reduce((sum, { computeMs }) => sum + computeMs, 0)
    const taken = start === 0 ? 0 : (costs[start - 1]?.outBytes ?? 0)
    return compute + taken * msPerByte + (costs[end - 1]?.outBytes ?? 0) * msPerByte
  })
  return Math.max(...partMs, ...sentOver(costs, starts).map(bytes => bytes * linkMsPerByte))
}

function sentOver(costs: readonly Costs[], starts: readonly number[]): number[] {
  return starts.slice(1).map(start => costs[start - 1]?.outBytes ?? 0)
}

/** The best cuts by trying all: the fastest, of those the leanest, of those the earliest. */
function bruteForce(costs: readonly Costs[], parts: number, prices: Prices): number[] | undefined {
  const all = choices(costs.length, parts - 1).map(rest => {
    const starts = [0, ...rest]
    const bytes = sentOver(costs, starts).reduce((sum, each) => sum + each, 0)
    return { starts, bytes, ms: bottleneckOf(costs, starts, prices) }
  })
  const least = Math.min(...all.map(({ ms }) => ms))
  const fastest = all.filter(({ ms }) => ms === least)
  const leanest = Math.min(...fastest.map(({ bytes }) => bytes))
  return fastest.find(({ bytes }) => bytes === leanest)?.starts
}

const partsFor = (costs: fc.Arbitrary<Costs>) =>
  fc
    .array(costs, { minLength: 1, maxLength: 9 })
    .chain(costs => fc.tuple(fc.constant(costs), fc.integer({ min: 1, max: costs.length })))

test('even cuts - are what trying all finds: the fastest, of those the leanest, of those the earliest', t => {
  fc.assert(
    fc.property(
      partsFor(exactCosts),
      fc.constantFrom(0, 1, 0.25),
      fc.constantFrom(0, 0.5, 4),
      ([costs, parts], msPerByte, linkMsPerByte) => {
        const starts = cut(chainOf(costs, msPerByte), parts, linkMsPerByte)
        t.deepEqual(starts, bruteForce(costs, parts, { msPerByte, linkMsPerByte }))
      },
    ),
    { numRuns: 600 },
  )
})

test('even cuts - are as fast as the best for costs that are measured', t => {
  fc.assert(
    fc.property(
      partsFor(anyCosts),
      fc.double({ min: 0, max: 1e-3, noNaN: true }),
      ([costs, parts], msPerByte) => {
        const ms = bottleneckOf(costs, cut(chainOf(costs, msPerByte), parts), { msPerByte })
        const best = bottleneckOf(costs, bruteForce(costs, parts, { msPerByte }) ?? [], { msPerByte })
        t.true(Math.abs(ms - best) <= 1e-9 * (1 + best))
      },
    ),
    { numRuns: 200 },
  )
})

test('even cuts - the cost of bytes moves a cut to where few of them cross', t => {
  const costs = [
    { computeMs: 2, outBytes: 1 },
    { computeMs: 3, outBytes: 100 },
    { computeMs: 5, outBytes: 0 },
  ]
  t.deepEqual(cut(chainOf(costs), 2), [0, 2])
  t.deepEqual(cut(chainOf(costs, 1), 2), [0, 1])
  t.deepEqual(cut(chainOf(costs), 2, 1), [0, 1])
})

test('even cuts - that are as fast are leaner where the first parts need not be fastest themselves', t => {
  const costs = [
    { computeMs: 1, outBytes: 0 },
    { computeMs: 1, outBytes: 9 },
    { computeMs: 1, outBytes: 0 },
    { computeMs: 9, outBytes: 0 },
  ]
  t.deepEqual(cut(chainOf(costs), 3), [0, 1, 3])
})

test('even cuts - more parts than blocks are refused, and fewer than one', t => {
  const chain = chainOf([{ computeMs: 1, outBytes: 0 }])
  for (const parts of [2, 0, -1, 1.5, NaN]) {
    t.is(
      codeOf(() => cut(chain, parts)),
      'TOO_MANY_PARTITIONS',
    )
  }
})

test('even cuts - of 400 blocks in 16 parts take no more than a moment', t => {
  const costs = Array.from({ length: 400 }, (_, i) => ({
    computeMs: (i * 7919) % 13,
    outBytes: (i * 104729) % 997,
  }))
  const total = costs.reduce((sum, { computeMs }) => sum + computeMs, 0)
  const ms = bottleneckOf(costs, cut(chainOf(costs), 16), {})
  t.true(ms >= total / 16 && ms <= total / 16 + 13)
})
