import test from 'ava'
import fc from 'fast-check'
import { liveBytes, type Step } from '../../../core/costs/index.js'

/** A random graph in topological order: what each step reads is there before it. */
const graphs = fc
  .record({
    arriving: fc.integer({ min: 1, max: 3 }),
    steps: fc.array(
      fc.record({
        reads: fc.array(fc.nat({ max: 20 }), { maxLength: 3 }),
        gives: fc.integer({ min: 1, max: 2 }),
      }),
      { maxLength: 12 },
    ),
    leaving: fc.array(fc.nat({ max: 30 }), { maxLength: 3 }),
    sizes: fc.array(fc.nat({ max: 100 }), { minLength: 30, maxLength: 30 }),
  })
  .map(({ arriving, steps, leaving, sizes }) => {
    const names = Array.from({ length: arriving }, (_, i) => `v${i}`)
    const inputs = [...names]
    const built = steps.map(({ reads, gives }): Step => {
      const read = reads.map(at => names[at % names.length] ?? '')
      const given = Array.from({ length: gives }, (_, i) => `v${names.length + i}`)
      names.push(...given)
      return { reads: [...new Set(read)], gives: given }
    })
    const left = [...new Set(leaving.map(at => names[at % names.length] ?? ''))]
    return {
      steps: built,
      arriving: inputs,
      leaving: left,
      names,
      bytesOf: (name: string) => sizes[Number(name.slice(1))] ?? 0,
    }
  })

test('live tensors - at each step they are those that are there and needed then or later', t => {
  fc.assert(
    fc.property(graphs, ({ steps, arriving, leaving, names, bytesOf }) => {
      const expected = steps.map((step, at) => {
        const before = new Set([...arriving, ...steps.slice(0, at).flatMap(({ gives }) => gives)])
        const needed = new Set([...leaving, ...steps.slice(at).flatMap(({ reads }) => reads)])
        const here = names.filter(name => (before.has(name) && needed.has(name)) || step.gives.includes(name))
        return here.reduce((sum, name) => sum + bytesOf(name), 0)
      })
      t.deepEqual(liveBytes(steps, { arriving, leaving }, bytesOf), expected)
    }),
    { numRuns: 500 },
  )
})

test('live tensors - a shortcut lives until the sum that reads it', t => {
  const steps = [
    { reads: ['x'], gives: ['a'] },
    { reads: ['a'], gives: ['b'] },
    { reads: ['a', 'b'], gives: ['y'] },
    { reads: ['y'], gives: ['z'] },
  ]
  const sizes: Record<string, number> = { x: 1_000, a: 100, b: 10, y: 1, z: 5 }
  t.deepEqual(
    liveBytes(steps, { arriving: ['x'], leaving: ['z'] }, name => sizes[name] ?? 0),
    [1_100, 110, 111, 6],
  )
})
