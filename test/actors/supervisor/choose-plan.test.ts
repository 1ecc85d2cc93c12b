import test from 'ava'
import { choosePlan, type ChosenPlan } from '../../../actors/supervisor/choose-plan.js'
import { type Birth, type Spec } from '../../../core/control/index.js'
import { MillraceError } from '../../../core/errors.js'
import { evenCosts } from '../../support/costs.js'

const MB = 1e6
/** Of 40 messages of 1,000 bytes at either end. */
const BUFFERS = 80_000
const SPEED = { convGflops: 10, matmulGflops: 10 }
const SPEC: Spec = {
  ...{ pipeline: 'p', deployment: 'd', lz4: 'never', links: 'auto', deployTimeoutMs: 1_000 },
  model: { sha256: '0'.repeat(64), bytes: 1, name: 'line.onnx' },
}

function birth(worker: string, about: Partial<Birth> = {}): Birth {
  return {
    worker,
    incarnation: 1,
    cores: 1,
    memoryBytes: 1_000 * MB,
    bornAt: 1,
    inbox: 'mqtt://x:1',
    ...about,
  }
}

function chosen(births: readonly Birth[], spec: Partial<Spec> = {}, costs = evenCosts(6, 20)) {
  const workers = births.map(birth => ({ birth }))
  const conditions = { speed: SPEED, planMs: 10_000 }
  return choosePlan(
    { ...SPEC, replicas: false, ...spec },
    costs,
    workers,
    conditions,
    new AbortController().signal,
  )
}

/** Workers and the blocks that each has, by stage. */
function shape({ cuts, stages }: ChosenPlan, blocks = 6): [string, number][] {
  const edges = [0, ...cuts, blocks]
  return stages.map(({ replicas }, i) => [
    replicas.map(({ worker }) => worker).join(),
    (edges[i + 1] ?? 0) - (edges[i] ?? 0),
  ])
}

async function failure(promise: Promise<unknown>): Promise<MillraceError> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  return error instanceof MillraceError
    ? error
    : new MillraceError('INTERNAL', `no such error: ${String(error)}`)
}

test('a chosen plan - takes all workers where that is faster, and says what it should come to', async t => {
  const plan = await chosen([birth('w1'), birth('w2'), birth('w3')])
  t.deepEqual(shape(plan), [
    ['w1', 2],
    ['w2', 2],
    ['w3', 2],
  ])
  t.deepEqual(
    plan.stages.map(({ computeMs, memoryBytes }) => [computeMs, memoryBytes]),
    [40, 40, 40].map(ms => [ms, 120 * MB + BUFFERS]),
  )
  const { predicted } = plan
  t.like(predicted, { unused: [], optimal: true, gap: 0 })
  t.regex(predicted.bottleneck, /^w[123]$/)
  t.true(predicted.bottleneckMs > 40 && predicted.bottleneckMs < 42)
  t.is(predicted.fps, 1_000 / predicted.bottleneckMs)
  t.is(predicted.lowerBoundMs, predicted.bottleneckMs)
})

test('a chosen plan - gives a slower worker less, and one that is too slow nothing', async t => {
  const half = birth('w1', { speed: { convGflops: 5, matmulGflops: 5 } })
  const plan = await chosen([half, birth('w2', { speed: SPEED })])
  t.deepEqual(Object.fromEntries(shape(plan)), { w1: 2, w2: 4 })
  t.deepEqual(
    plan.stages.map(({ computeMs }) => computeMs),
    [80, 80],
  )
})

test('a chosen plan - lets workers take turns with the whole where each has memory for it, by their speed', async t => {
  const half = birth('w1', { speed: { convGflops: 5, matmulGflops: 5 } })
  const plan = await chosen([half, birth('w2', { speed: SPEED })], { replicas: true })
  t.deepEqual(shape(plan), [['w1,w2', 6]])
  const [first, second] = plan.stages[0]?.replicas ?? []
  t.true(Math.abs((second?.weight ?? 0) / (first?.weight ?? 1) - 2) < 1e-6)
})

test('a chosen plan - puts weights where there is memory for them', async t => {
  const small = birth('w1', { availableBytes: 111 * MB })
  t.deepEqual(Object.fromEntries(shape(await chosen([small, birth('w2')]))), { w1: 1, w2: 5 })
  const none = birth('w1', { availableBytes: 105 * MB })
  t.deepEqual(shape(await chosen([none, birth('w2')])), [['w2', 6]])
  t.deepEqual(shape(await chosen([none, birth('w2')], { partitions: 2 })), [
    ['w2', 3],
    ['w2', 3],
  ])
})

test('a chosen plan - is cut where that was asked for, on workers in their order', async t => {
  const births = [birth('w1'), birth('w2'), birth('w3')]
  const plan = await chosen(births, { partitions: 3, cuts: [1, 5] })
  t.deepEqual(plan.cuts, [1, 5])
  t.deepEqual(shape(plan), [
    ['w1', 1],
    ['w2', 4],
    ['w3', 1],
  ])
  const wrong = await failure(chosen(births, { partitions: 2, cuts: [6] }))
  t.is(wrong.code, 'GRAPH_CUT_INVALID')
  t.regex(wrong.message, /position 6.*1, 2, 3, 4, 5/)
})

test('a chosen plan - takes no more of a worker than it may', async t => {
  const births = [birth('w1'), birth('w2'), birth('w3'), birth('w4')]
  const free = await chosen(births, { replicas: true })
  t.deepEqual(shape(free), [['w1,w2,w3,w4', 6]])
  // A process of 99 MB, 3 blocks of 10 MB each, and what they work with.
  const memoryMib = (131 * MB) / 2 ** 20
  const bounded = await chosen(births, { replicas: true, memoryMib })
  t.deepEqual(
    shape(bounded).map(([, blocks]) => blocks),
    [3, 3],
  )
  t.true(bounded.stages.every(({ replicas }) => replicas.length === 2))
})

test('a chosen plan - leaves a small model on one worker, and names the others', async t => {
  const plan = await chosen([birth('w1'), birth('w2')], {}, evenCosts(6, 0.05))
  t.deepEqual(shape(plan), [['w1', 6]])
  t.deepEqual(plan.predicted.unused, ['w2'])
})

test('a chosen plan - takes several workers only where they are worth it', async t => {
  const births = [birth('w1'), birth('w2')]
  // Halves of 0.15 ms, beside the millisecond that taking a message in and sending one take.
  const plan = await chosen(births, {}, evenCosts(2, 0.07))
  t.deepEqual(shape(plan, 2), [['w1', 2]])
  t.like(plan.predicted, { optimal: false, unused: ['w2'] })
  t.true((plan.predicted.gap ?? 0) > 0 && (plan.predicted.gap ?? 1) < 0.15)
  t.is((await chosen(births, {}, evenCosts(2, 0.3))).stages.length, 2)
})

test('a chosen plan - uses one worker where links are too slow for two', async t => {
  const far = { linkMbps: 0.05 }
  t.deepEqual(shape(await chosen([birth('w1', far), birth('w2', far)])), [['w1', 6]])
  t.is((await chosen([birth('w1'), birth('w2')])).stages.length, 2)
})

test('a chosen plan - has nothing on who is excluded', async t => {
  const births = [birth('w1'), birth('w2'), birth('w3')]
  const plan = await chosen(births, { exclude: ['w2', 'w9'] })
  t.deepEqual(shape(plan), [
    ['w1', 3],
    ['w3', 3],
  ])
  t.deepEqual(plan.predicted.unused, [])
  const all = await failure(chosen(births, { exclude: ['w1', 'w2', 'w3'] }))
  t.is(all.code, 'NO_WORKER')
  t.regex(all.message, /w1, w2, w3/)
})

test('a chosen plan - of as many partitions as were asked for is in the order of the workers', async t => {
  const plan = await chosen([birth('w1'), birth('w2')], { partitions: 4 }, evenCosts(8, 5))
  t.deepEqual(shape(plan, 8), [
    ['w1', 2],
    ['w1', 2],
    ['w2', 2],
    ['w2', 2],
  ])
  // Two of them on one worker are one load.
  t.true(plan.predicted.bottleneckMs > 20 && plan.predicted.bottleneckMs < 22)
  t.is(plan.predicted.optimal, undefined)
})

test('a chosen plan - that fits nowhere is refused, with what lacks', async t => {
  const births = ['w1', 'w2'].map(id => birth(id, { availableBytes: 125 * MB }))
  const few = await failure(chosen(births))
  t.is(few.code, 'PLAN_INFEASIBLE')
  t.regex(few.message, /at least 3 devices/)
  const narrow = await failure(chosen([birth('w1', { availableBytes: 105 * MB })]))
  t.regex(narrow.message, /needs 5080000 bytes more than w1 has/)
  const asked = await failure(chosen(births, { partitions: 2 }))
  t.is(asked.code, 'PLAN_INFEASIBLE')
  t.regex(asked.message, /part 0 takes 125 MiB.*w1/)
})

/** Six blocks of 20 ms with large images between them; converting them takes time too. */
function imageCosts(bytesAt: (block: number) => number = () => 1e6) {
  const costs = evenCosts(6, 20)
  const converting = (msPerByte: number) => {
    const rate = { msPerMessage: 0, msPerByte }
    return { encode: rate, decode: rate }
  }
  return {
    ...costs,
    crossings: costs.crossings.map((crossing, block) => {
      const bytes = block === 0 || block === 6 ? 0 : bytesAt(block)
      const coded = bytes === 0 ? {} : { floatBytes: bytes, floats: 1, channels: 64 }
      return { ...crossing, bytes: Math.max(1_000, bytes), ...coded }
    }),
    conversions: { f16: converting(5e-7), u8c: converting(4e-7), u8: converting(3e-7) },
  }
}

test('a chosen plan - has a coarse wire for a slow link, an exact one for a fast one, and f32 where nothing may be lost', async t => {
  const wiresOver = async (linkMbps: number, spec: Partial<Spec> = {}) => {
    const births = [birth('w1', { linkMbps }), birth('w2', { linkMbps })]
    const plan = await chosen(births, { partitions: 2, wire: 'auto', ...spec }, imageCosts())
    return { wires: plan.wires.map(({ wire }) => wire), ms: plan.predicted.bottleneckMs }
  }
  const [slow, middling, fast] = [await wiresOver(20), await wiresOver(100), await wiresOver(10_000)]
  // With scales for each channel it is as fast, and more exact.
  t.deepEqual([slow.wires, middling.wires, fast.wires], [['u8c'], ['f16'], ['f32']])
  const exact = await wiresOver(20, { wireError: 0 })
  t.deepEqual(exact.wires, ['f32'])
  t.true(slow.ms * 3 < exact.ms)
  t.deepEqual((await wiresOver(20, { wire: 'u8' })).wires, ['u8'])
  t.deepEqual((await wiresOver(20, { wire: undefined })).wires, ['f32'])
})

test('a chosen plan - has a coarse wire only at the cuts that it makes faster', async t => {
  const births = ['w1', 'w2', 'w3'].map(id => birth(id, { linkMbps: 20 }))
  const costs = imageCosts(block => (block === 2 ? 1e6 : 1e4))
  const plan = await chosen(births, { partitions: 3, cuts: [2, 4], wire: 'auto' }, costs)
  t.deepEqual(
    plan.wires.map(({ wire }) => wire),
    ['u8c', 'f32'],
  )
})
