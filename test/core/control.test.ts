import test from 'ava'
import fc from 'fast-check'
import { type z } from 'zod'
import * as control from '../../core/control/index.js'
import { codeOf } from '../support/errors.js'

const SHA = '0f'.repeat(32)
const key = { pipeline: 'p', epoch: 2, stage: 0, replica: 0 }
const model = { sha256: SHA, bytes: 10, name: 'digits.onnx' }

const activation = {
  ...key,
  term: 1,
  part: { sha256: SHA, bytes: 10 },
  receives: ['x'],
  carries: [],
  sends: ['y'],
  inbox: { topic: 'a/b', worker: 'w' },
  next: [
    {
      topic: 'a/c',
      worker: 'v',
      peer: { url: 'mqtt://10.0.0.2:1', username: 'p/2/1/0', password: 'secret', only: false },
      weight: 2.5,
    },
  ],
  inboxFrames: 4,
  lz4: 'never',
}

const stage = {
  stage: 0,
  worker: 'w-1',
  replica: 0,
  weight: 1.5,
  operators: 3,
  weightBytes: 5,
  outBytes: 6,
  computeMs: 0.5,
  link: 'local',
  inbox: { topic: 'a/b' },
}

const sensors = {
  ...{ delivery: 'freshest', order: 'completion', queueFrames: 1, deadlineMs: 5, topK: 0, raw: 'never' },
  image: { size: [8, 9], fit: 'fill', channels: 'bgr', scale: 1, mean: [1, 2, 3], std: [4] },
}

const spec = {
  pipeline: 'p',
  deployment: 'd',
  model,
  partitions: 3,
  window: 8,
  lz4: 'always',
  links: 'peer',
  deployTimeoutMs: 1000,
  sensors,
  canary: 0.1,
}

const plan = {
  pipeline: 'p',
  deployment: 'd',
  term: 1,
  epoch: 2,
  model,
  inputs: [{ name: 'x', dtype: 'float32', dims: ['batch', null, 3] }],
  outputs: [{ name: 'y', dtype: 'string', dims: [] }],
  stages: [stage],
  window: 4,
  leastWindow: 2,
  lz4: 'never',
  sampleError: 1e-7,
  links: 'auto',
  handover: 'drain',
  reason: 'worker slow',
  asked: { partitions: 2, replicas: false, exclude: ['w-3'] },
  cuts: [1, 4],
  sensors,
}

interface Row {
  readonly schema: z.ZodType
  readonly good: object
  /** Fields that are wrong, each alone. */
  readonly bad: Readonly<Record<string, unknown>>
}

const ROWS: Readonly<Record<string, Row>> = {
  Birth: {
    schema: control.Birth,
    good: {
      worker: 'w-1',
      incarnation: 1,
      cores: 4,
      memoryBytes: 1e9,
      bornAt: 1.7e12,
      inbox: 'mqtt://10.0.0.1:5',
      linkMbps: 2.5,
    },
    bad: { worker: 'W/1', incarnation: -1, cores: 0, memoryBytes: 0.5, bornAt: null },
  },
  Death: { schema: control.Death, good: { incarnation: 3 }, bad: { incarnation: '3' } },
  Beat: {
    schema: control.Beat,
    good: {
      worker: 'w-1',
      incarnation: 1,
      at: 1.5,
      rssBytes: 9,
      cpuMs: 1.5,
      actors: [
        {
          ...key,
          frames: 1,
          failures: 0,
          waiting: 2,
          running: 1,
          runMs: 1.5,
          bytesIn: 3,
          bytesOut: 4,
          link: 'peer',
        },
      ],
    },
    bad: { worker: '', incarnation: 1.5, at: 'now', rssBytes: -1, actors: [{ ...key, frames: 1 }] },
  },
  DispatcherReport: {
    schema: control.DispatcherReport,
    good: {
      ...{ dispatcher: 'd-1', pipeline: 'p', epoch: 1, draining: [0], closed: false, at: 1.5, fps: 2.5 },
      frames: { admitted: 4, predicted: 1, dropped: 1, failed: 1, inFlight: 1 },
      latencyMs: { p50: 1, p99: 2.5 },
    },
    bad: {
      ...{ dispatcher: 'D/1', pipeline: '', epoch: -1, at: 'now', fps: -1, frames: { admitted: -1 } },
      latencyMs: { p50: 1 },
    },
  },
  Crash: {
    schema: control.Crash,
    good: {
      ...{ pipeline: 'p', worker: 'w-1', incarnation: 1, crash: 2, epoch: 3 },
      suspects: [{ dispatcher: 'd-1', stream: 's', sequence: 4 }],
      others: 1,
    },
    bad: {
      ...{ pipeline: 'P', worker: '', incarnation: -1, crash: 1.5, epoch: 'x' },
      suspects: [{ dispatcher: 'd-1' }],
      others: -1,
    },
  },
  Desired: {
    schema: control.Desired,
    good: {
      ...{ term: 1, activations: [activation] },
      prefetch: [{ sha256: SHA, bytes: 10, holders: ['w-2'] }],
    },
    bad: {
      term: -1,
      activations: [{ ...activation, part: { sha256: SHA.toUpperCase(), bytes: 1 } }],
    },
  },
  Activation: {
    schema: control.Activation,
    good: activation,
    bad: {
      pipeline: '+',
      epoch: -1,
      inboxFrames: 0,
      next: [],
      inbox: null,
      lz4: true,
      receives: 'x',
    },
  },
  Actual: {
    schema: control.Actual,
    good: {
      worker: 'w-1',
      incarnation: 1,
      term: 3,
      activations: [{ ...key, state: 'failed', error: { code: 'ACTIVATION_FAILED', message: 'no' } }],
      prefetched: [SHA],
    },
    bad: { worker: 'a b', activations: [{ ...key, state: 'lost' }] },
  },
  Findings: {
    schema: control.Findings,
    good: { term: 1, findings: [{ worker: 'w-1', code: 'WORKER_SLOW', message: 'is slow', slowdown: 3 }] },
    bad: { term: -1, findings: [{ worker: 'w-1', code: 'INTERNAL', message: '' }] },
  },
  Leader: { schema: control.Leader, good: { term: 1, supervisor: 's' }, bad: { term: null, supervisor: '' } },
  Spec: {
    schema: control.Spec,
    good: spec,
    bad: {
      sensors: { ...sensors, image: { ...sensors.image, std: [0] } },
      canary: 1,
      pipeline: '..',
      deployment: '',
      partitions: 0,
      window: 0,
      links: 'wire',
      model: { ...model, bytes: -1 },
    },
  },
  Order: {
    schema: control.Order,
    good: { pipeline: 'p', deployment: 'd', order: 'rollback', deployTimeoutMs: 1000 },
    bad: { pipeline: '..', order: 'stop', deployTimeoutMs: -1 },
  },
  Plan: {
    schema: control.Plan,
    good: {
      ...plan,
      revision: { term: 1, number: 3 },
      canary: { share: 0.5, plan: { ...plan, epoch: 3 } },
      previous: spec,
    },
    bad: {
      stages: [],
      inputs: [{ name: 'x', dtype: 'constructor', dims: [] }],
      outputs: [{ name: 'y', dtype: 'float32', dims: [-1] }],
      window: 0,
      leastWindow: 0,
      sampleError: null,
      handover: 'stop',
      reason: 'a whim',
      asked: { exclude: ['W 3'] },
      cuts: [-1],
      revision: { term: 1 },
      canary: { share: 0.5 },
      previous: { pipeline: 'p' },
      sensors: { ...sensors, queueFrames: 0 },
    },
  },
  PipelineStatus: {
    schema: control.PipelineStatus,
    good: {
      pipeline: 'p',
      deployment: 'd',
      state: 'degraded',
      epoch: 2,
      error: { code: 'WORKER_LOST', message: 'w' },
    },
    bad: { state: 'fine', error: { code: 1, message: 'w' } },
  },
  PartRequest: {
    schema: control.PartRequest,
    good: { requester: 'w-1', offset: 0, length: 1 },
    bad: { requester: 'w 1', offset: -1, length: 0 },
  },
}

for (const [name, { schema, good, bad }] of Object.entries(ROWS)) {
  test(`control messages - ${name} comes out as it went in`, t => {
    t.deepEqual(control.decodeControl(schema, control.encodeControl(good)), good)
  })

  test(`control messages - ${name} of a later version is read without what is new`, t => {
    t.deepEqual(control.decodeControl(schema, control.encodeControl({ ...good, later: 1 })), good)
  })

  test(`control messages - ${name} with a field that is wrong is none`, t => {
    for (const [field, value] of Object.entries(bad)) {
      t.is(
        control.decodeControl(schema, control.encodeControl({ ...good, [field]: value })),
        undefined,
        field,
      )
    }
  })

  test(`control messages - junk is no ${name}`, t => {
    const junk = fc.oneof(
      fc.uint8Array(),
      fc.json().map(text => Buffer.from(text)),
    )
    fc.assert(
      fc.property(junk, bytes => {
        t.is(control.decodeControl(schema, bytes), undefined)
      }),
    )
  })
}

test('control messages - deep, cut and wrongly coded JSON is none', t => {
  const good = control.encodeControl({ incarnation: 1 })
  const texts = [
    '['.repeat(200_000),
    '{"incarnation":'.repeat(50_000),
    '',
    'null',
    '[]',
    '{"incarnation":1e999}',
  ]
  for (const text of texts) t.is(control.decodeControl(control.Death, Buffer.from(text)), undefined)
  for (let length = 0; length < good.byteLength; length++) {
    t.is(control.decodeControl(control.Death, good.subarray(0, length)), undefined)
  }
  t.is(
    control.decodeControl(control.Leader, Buffer.from('{"term":1,"supervisor":"\xff"}', 'latin1')),
    undefined,
  )
})

test('control messages - a JSON key named __proto__ gives nothing a field', t => {
  const text = '{"__proto__":{"incarnation":1}}'
  t.is(control.decodeControl(control.Death, Buffer.from(text)), undefined)
})

test('control messages - an error of a code that is unknown here is INTERNAL', t => {
  const status = {
    pipeline: 'p',
    deployment: 'd',
    state: 'failed',
    epoch: 0,
    error: { code: 'FUTURE', message: 'm' },
  }
  const decoded = control.decodeControl(control.PipelineStatus, control.encodeControl(status))
  t.deepEqual(decoded?.error, { code: 'INTERNAL', message: 'm' })
})

test('the error of a state - is the one that was told, or says that none was', t => {
  t.is(
    codeOf(() => {
      throw control.errorOf({ error: { code: 'NO_WORKER', message: 'm' } })
    }),
    'NO_WORKER',
  )
  t.is(control.errorOf({ error: { code: 'NO_WORKER', message: 'm' } }).message, 'm')
  t.is(control.errorOf({}).code, 'INTERNAL')
})

test('an activation key - differs when any of its parts does', t => {
  const others = [
    { ...key, pipeline: 'q' },
    { ...key, epoch: 3 },
    { ...key, stage: 1 },
    { ...key, replica: 1 },
    { ...key, epoch: 20, stage: 0 },
  ]
  t.is(new Set([key, ...others].map(control.activationKeyOf)).size, 6)
  t.is(control.activationKeyOf({ ...key }), control.activationKeyOf(key))
})
