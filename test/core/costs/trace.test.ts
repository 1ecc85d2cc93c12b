import test from 'ava'
import { nodeTimes, readTrace } from '../../../core/costs/index.js'
import { codeOf } from '../../support/errors.js'

/** An event of ONNX Runtime's profiler; times in microseconds. */
function event(cat: string, name: string, ts: number, dur: number, operator?: string) {
  return {
    cat,
    name,
    ts,
    dur,
    ph: 'X',
    pid: 1,
    tid: 1,
    args: operator === undefined ? {} : { op_name: operator },
  }
}

test('trace - gives the kernels of each run, in order', t => {
  const text = JSON.stringify([
    event('Session', 'model_loading_uri', 0, 90),
    event('Node', 'b_kernel_time', 140, 20, 'Relu'),
    event('Node', 'a_kernel_time', 110, 30, 'Conv'),
    event('Node', 'a_fence_before', 105, 1),
    event('Session', 'model_run', 100, 70),
    event('Node', 'a_kernel_time', 210, 40, 'Conv'),
    event('Session', 'model_run', 200, 70),
  ])
  t.deepEqual(readTrace(text), [
    [
      { name: 'a', operator: 'Conv', ms: 0.03 },
      { name: 'b', operator: 'Relu', ms: 0.02 },
    ],
    [{ name: 'a', operator: 'Conv', ms: 0.04 }],
  ])
})

test('trace - counts a loop once, with all that its body does', t => {
  const text = JSON.stringify([
    event('Session', 'model_run', 0, 1_000),
    event('Node', 'body_kernel_time', 110, 300, 'MatMul'),
    event('Node', 'body_kernel_time', 420, 300, 'MatMul'),
    event('Node', 'loop_kernel_time', 100, 700, 'Loop'),
    event('Node', 'after_kernel_time', 800, 50, 'Relu'),
  ])
  t.deepEqual(
    readTrace(text).map(run => run.map(({ name, ms }) => [name, ms])),
    [
      [
        ['loop', 0.7],
        ['after', 0.05],
      ],
    ],
  )
})

test('trace - anything else is refused', t => {
  for (const text of ['', '{}', '[{"cat":"Node"}]', '[1]'])
    t.is(
      codeOf(() => readTrace(text)),
      'INTERNAL',
    )
})

const NODES = [{ gives: ['a'] }, { gives: ['b'] }, { gives: ['Squeeze'] }]

test("node times - a fused kernel's go to the node that it has its name or its result from", t => {
  const run = [
    { name: 'a_nchwc', operator: 'Conv', ms: 1 },
    { name: 'fused mr#1#', operator: 'FusedConv', ms: 2 },
    { name: 'mr#0#/mr#1#/MatMulScaleFusion/', operator: 'FusedMatMul', ms: 4 },
    { name: 'a_nchwc_token_7', operator: 'Conv', ms: 8 },
  ]
  const { nodeMs, unmappedMs, runMs } = nodeTimes([run], NODES)
  t.deepEqual([nodeMs, unmappedMs, runMs], [[9, 6, 0], 0, [15]])
})

test('node times - a kernel that nobody knows counts for the node before it, and as unknown', t => {
  const run = [
    { name: 'ReorderInput', operator: 'ReorderInput', ms: 1 },
    { name: 'mr#1#', operator: 'Relu', ms: 2 },
    // Made up by ONNX Runtime, though a value has this name.
    { name: 'Squeeze_token_3', operator: 'Squeeze', ms: 4 },
    { name: 'mr#99#', operator: 'Relu', ms: 8 },
  ]
  const { nodeMs, unmappedMs } = nodeTimes([run], NODES)
  t.deepEqual([nodeMs, unmappedMs], [[1, 14, 0], 13])
})

test('node times - the least of all runs counts, for each node by itself', t => {
  const runs = [
    [
      { name: 'mr#0#', operator: 'Relu', ms: 5 },
      { name: 'mr#1#', operator: 'Relu', ms: 1 },
    ],
    [
      { name: 'mr#0#', operator: 'Relu', ms: 2 },
      { name: 'mr#1#', operator: 'Relu', ms: 40 },
    ],
  ]
  t.deepEqual(nodeTimes(runs, NODES).nodeMs, [2, 1, 0])
})
