import { readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { type CutModel } from '../../../actors/supervisor/workshop/messages.js'
import { settleWires } from '../../../actors/supervisor/workshop/settle-wires.js'
import { cutModel } from '../../../actors/supervisor/workshop/workshop.js'
import { packFrames } from '../../../core/calibration.js'
import { readGraph } from '../../../core/graph/index.js'
import { cutCandidates } from '../../../core/planner/index.js'
import { tensor } from '../../../core/tensor.js'
import { type CutWire, Wire } from '../../../core/wire.js'
import { modelFile, testStore } from '../../support/actors.js'
import { floats, node, onnxBytes, value } from '../../support/onnx-builder.js'
import { inCheckout } from '../../support/index.js'

const MS = { f32: 8, f16: 4, u8c: 2.5, u8: 2 }

/** Of each wire, where a cut has it. */
const cutError = fc
  .tuple(fc.double({ min: 0, max: 1e-3, noNaN: true }), fc.double({ min: 1, max: 10, noNaN: true }))
  .map(([f16, times]): Readonly<Record<Wire, number>> => {
    return { f32: 0, f16, u8c: f16 * times * 10, u8: f16 * times * 20 }
  })

test('chosen wires - lose together no more than is allowed, and are none but f32 where nothing may be lost', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(cutError, fc.constantFrom(...Wire.options)), { maxLength: 5 }),
      fc.double({ min: 0, max: 0.2, noNaN: true }),
      async (cuts, most) => {
        const errorOf = async (wires: readonly Wire[]) =>
          wires.reduce((sum, wire, i) => sum + (cuts[i]?.[0][wire] ?? 0), 0)
        const asked = cuts.map(([, wire]): CutWire => ({ wire, ms: MS }))
        const wires = await settleWires(asked, most, errorOf)
        t.is(wires.length, cuts.length)
        t.true((await errorOf(wires)) <= most)
        for (const [i, wire] of wires.entries()) {
          t.true(
            Wire.options.indexOf(wire) <= Wire.options.indexOf(asked[i]?.wire ?? 'f32'),
            'none is coarser',
          )
        }
        const given = asked.map(({ wire }) => wire)
        if ((await errorOf(given)) <= most) t.deepEqual(wires, given)
        t.true((await settleWires(asked, -1, errorOf)).every(wire => wire === 'f32'))
      },
    ),
  )
})

test('chosen wires - the cut that loses most for what it saves becomes more exact, and what a wire cannot carry first', async t => {
  const ms = (f32: number): CutWire['ms'] => ({ f32, f16: 2, u8c: 1.5, u8: 1 })
  const errors: Readonly<Record<Wire, number>> = { f32: 0, f16: 0.001, u8c: 0.01, u8: 0.02 }
  const errorOf = async (wires: readonly Wire[]) => wires.reduce((sum, wire) => sum + errors[wire], 0)
  const [dear, cheap]: CutWire[] = [
    { wire: 'u8', ms: { f32: 80, f16: 40, u8c: 30, u8: 20 } },
    { wire: 'u8', ms: ms(3) },
  ]
  t.deepEqual(
    await settleWires(
      [dear, cheap].flatMap(one => one ?? []),
      0.021,
      errorOf,
    ),
    ['u8', 'f16'],
  )
  const overflowing = async (wires: readonly Wire[]) => (wires[0] === 'f16' ? Infinity : 0)
  const halves = [1, 2].map((): CutWire => ({ wire: 'f16', ms: MS }))
  t.deepEqual(await settleWires(halves, 0.02, overflowing), ['f32', 'f16'])
})

/** Cut in four, with u8 to begin with. */
async function cutWithin(
  t: ExecutionContext,
  model: Uint8Array,
  wireError: number,
  frames?: Uint8Array,
): Promise<CutModel> {
  const store = await testStore(t)
  const candidates = cutCandidates(readGraph(model), 4)
  const cuts = [1, 2, 3].map(i => candidates[Math.floor((i * candidates.length) / 4)] ?? 0)
  const order = {
    ...{ model: await modelFile(t, model), name: 'm', cuts, data: [], wireError },
    wires: cuts.map((): CutWire => ({ wire: 'u8', ms: MS })),
    ...{ directory: store.directory, limitBytes: 2 ** 30 },
    ...(frames === undefined ? {} : { frames: await modelFile(t, frames) }),
  }
  return cutModel(order, async () => {}, new AbortController().signal)
}

const dims = [1, 4, 3, 3]
/** Convolutions whose channels have ranges of their own. */
const CONVOLUTIONS = onnxBytes({
  inputs: [value('x', 'FLOAT', dims)],
  outputs: [value('y', 'FLOAT', dims)],
  nodes: [0, 1, 2, 3].flatMap(i => [
    node('Conv', [i === 0 ? 'x' : `r${i - 1}`, `w${i}`], [`c${i}`], {
      pads: [1, 1, 1, 1],
      kernel_shape: [3, 3],
    }),
    node('Mul', [`c${i}`, 'ranges'], [`m${i}`]),
    node('Tanh', [`m${i}`], [i === 3 ? 'y' : `r${i}`]),
  ]),
  initializers: [
    floats('ranges', [1, 4, 1, 1], [0.01, 0.1, 1, 3]),
    ...[0, 1, 2, 3].map(i => floats(`w${i}`, [4, 4, 3, 3])),
  ],
})

for (const [name, model] of [
  ['digits', readFileSync(inCheckout('examples/digits/digits.onnx'))],
  ['convolutions', CONVOLUTIONS],
] as const) {
  test(`chosen wires - ${name} in parts is off by no more than is allowed on sample frames`, async t => {
    const coarse = await cutWithin(t, model, 1)
    t.deepEqual(coarse.wires, ['u8', 'u8', 'u8'])
    t.true(coarse.sampleError > 0)
    const most = coarse.sampleError / 3
    const within = await cutWithin(t, model, most)
    t.true(within.sampleError > 0 && within.sampleError <= most, `${within.sampleError} of ${most}`)
    t.true(within.wires.some(wire => wire !== 'f32'))
    t.notDeepEqual(within.wires, coarse.wires)
    const exact = await cutWithin(t, model, 0)
    t.deepEqual(exact.wires, ['f32', 'f32', 'f32'])
    t.true(exact.sampleError < 1e-5)
    const files = [coarse, within, exact].map(({ parts }) => parts.map(({ part }) => part.sha256).join())
    t.is(new Set(files).size, 3)
    t.log(`${coarse.sampleError} with u8; ${within.wires.join(', ')} for ${most}: ${within.sampleError}`)
  })
}

test('chosen wires - go by the frames that are given, in the place of samples', async t => {
  const last = (value: number) => [
    tensor(
      'float32',
      dims,
      Float32Array.from({ length: 36 }, (_, i) => (i === 35 ? value : 1)),
    ),
  ]
  const about = [
    ['even', packFrames(last(1).map(x => ({ x })))],
    ['uneven', packFrames([...last(1), ...last(30)].map(x => ({ x })))],
  ] as const
  const model = onnxBytes({
    inputs: [value('x', 'FLOAT', dims)],
    outputs: [value('y', 'FLOAT', dims)],
    nodes: [0, 1, 2, 3]
      .map(i => node('Mul', [i === 0 ? 'x' : `m${i - 1}`, 'same'], [i === 3 ? 'm3' : `m${i}`]))
      .concat(node('Tanh', ['m3'], ['y'])),
    initializers: [floats('same', [1], [1])],
  })
  const [even, uneven] = [
    await cutWithin(t, model, 0.01, about[0][1]),
    await cutWithin(t, model, 0.01, about[1][1]),
  ]
  t.deepEqual(even.wires, ['u8', 'u8', 'u8'])
  t.notDeepEqual(uneven.wires, even.wires)
  t.true(uneven.sampleError <= 0.01)
})
