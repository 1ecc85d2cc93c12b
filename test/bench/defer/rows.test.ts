import test from 'ava'
import { type DeferMeasured } from './measure.js'
import { type RunFigures, type SchemeFigures } from './order.js'
import { targetsOf } from './report.js'
import { isRow, rowsOf } from './rows.js'

const DEVICES = ['pi-1', 'pi-2']

function run(fps: number, cpu: readonly [number, number]): RunFigures {
  const cpuMsPerFrame = { hub: 5, 'pi-1': cpu[0], 'pi-2': cpu[1] }
  return { fps, frames: 10, latencyMs: { p50: 1, p99: 2 }, bytesPerFrame: 100, cpuMsPerFrame }
}

function figures(
  key: string,
  runs: RunFigures[],
  plan: { fps: number; lowerBoundMs?: number },
): SchemeFigures {
  const resource = { bottleneckMs: 1_000 / plan.fps, bottleneck: 'pi-1' }
  const predicted = { ...resource, latencyMs: 1, unused: [], ...plan }
  return {
    ...{ key, runs, epochs: [1, 1], predicted, deployed: predicted },
    stages: DEVICES.map((worker, stage) => ({ stage, worker, weightBytes: 10 * (stage + 1), computeMs: 1 })),
    accuracy: { frames: 10, maxRelativeError: 0, medianRelativeError: 0, top1Agreement: 1 },
  }
}

function measured(schemes: DeferMeasured['schemes']): DeferMeasured {
  return {
    ...{ schemes, idleCores: 0.01, weightBytes: 30, load: { before: 0, after: 0 } },
    asked: schemes.map(({ key }) => ({ key, name: `the ${key}`, options: {} })),
    answers: { count: 10, classes: 10, margins: [0, 0, 0] },
  }
}

test('rows of a comparison - compare with one device round by round, and with the processor time of that device', t => {
  const single = figures('single', [run(2, [100, 2]), run(4, [100, 2]), run(4, [100, 2])], { fps: 4 })
  const chain = figures('chain', [run(4, [30, 10]), run(4, [30, 10]), run(6, [30, 10])], {
    fps: 8,
    lowerBoundMs: 100,
  })
  const [one, two] = rowsOf(measured([single, chain]), DEVICES).filter(isRow)
  t.like(one, { ratio: 1, efficiency: 1, cpuMsPerFramePerNode: 100, cpuSaved: 0 })
  t.like(two, {
    fps: 4,
    ratio: 1.5,
    ratioSpread: [1, 2],
    efficiency: 0.75,
    plannedFps: 8,
    measuredToPlanned: 0.5,
  })
  t.like(two, { bound: 2.5, cpuMsPerFramePerNode: 20, cpuMsPerFrameMost: 30, cpuSaved: 0.8 })
  t.deepEqual(two?.stages, [['pi-1'], ['pi-2']])
  t.true(Math.abs((two?.mostWeights ?? 0) - 2 / 3) < 1e-9)
})

test('rows of a comparison - name what was refused, and its targets are missed', t => {
  const single = figures('single', [run(2, [100, 2])], { fps: 4 })
  const choice = figures('choice', [run(13, [15, 10])], { fps: 8 })
  const refused = { key: 'chain', refused: 'it does not fit' }
  const rows = rowsOf(measured([single, refused, choice]), DEVICES)
  t.deepEqual(rows[1], { key: 'chain', scheme: 'the chain', refused: 'it does not fit' })
  const kept = (wire: string, linkMbps: number) => targetsOf(rows, { wire, linkMbps }).map(one => one.kept)
  t.deepEqual(kept('u8', 1_000), [false, false, false, true, true, true])
  t.deepEqual(kept('u8', 18), [false, true, true])
  t.deepEqual(kept('f32', 300), [false, true])
})
