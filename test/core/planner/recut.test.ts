import test from 'ava'
import fc from 'fast-check'
import { type PlannedStage, recut } from '../../../core/planner/index.js'
import { fittingMs, startsFrom } from './brute-force.js'
import { problems, smallProblem } from './problems.js'

function withBorders(stages: readonly PlannedStage[], starts: readonly number[], end: number) {
  return stages.map((stage, i) => ({ ...stage, from: starts[i] ?? 0, to: starts[i + 1] ?? end }))
}

test('other borders - nothing could be faster with the same devices for each stage, replicas or not', t => {
  let better = 0
  fc.assert(
    fc.property(
      problems({ minDevices: 2, maxDevices: 4, minBlocks: 4, maxBlocks: 8 }),
      fc.integer({ min: 1, max: 4 }),
      fc.nat({ max: 3 }),
      (problem, wanted, twice) => {
        const all = [...problem.devices.keys()]
        const count = Math.min(wanted, all.length)
        // The last of the devices are beside those of one stage.
        const stages = Array.from({ length: count }, (_, i): PlannedStage => {
          const devices = i === twice % count ? [i, ...all.slice(count)] : [i]
          return { from: i, to: i + 1, devices }
        })
        const end = problem.chain.blocks.length
        const before = withBorders(stages, [...stages.keys()], end)
        const ways = startsFrom(0, count, end).map(starts =>
          fittingMs(problem, withBorders(stages, starts, end)),
        )
        const best = Math.min(...ways)
        const found = fittingMs(problem, recut(problem, before))
        if (best === Infinity) return t.is(found, Infinity)
        if (best < fittingMs(problem, before)) better++
        t.true(Math.abs(found - best) <= 1e-9 * best, `${found} and ${best}`)
      },
    ),
    { numRuns: 500 },
  )
  t.true(better > 50, `${better}`)
})

test('other borders - devices and shares stay what they are, and all stays where nothing fits', t => {
  const problem = smallProblem({ devices: 3, rate: 100, memoryBytes: 1_000 })
  const stages = [
    { from: 0, to: 1, devices: [1] },
    { from: 1, to: 4, devices: [0, 2], shares: [0.75, 0.25] },
  ]
  t.deepEqual(recut(problem, stages), [
    { from: 0, to: 2, devices: [1] },
    { from: 2, to: 4, devices: [0, 2], shares: [0.75, 0.25] },
  ])
  const tight = { ...problem, devices: problem.devices.map(one => ({ ...one, memoryBytes: 1 })) }
  t.is(recut(tight, stages), stages)
})
