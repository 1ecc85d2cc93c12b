import test from 'ava'
import fc from 'fast-check'
import {
  DEFAULT_ROOT,
  isName,
  levelsBelow,
  parseSensorTopic,
  SENSOR_FORMATS,
  topicsOf,
} from '../../core/topics.js'
import { codeOf } from '../support/errors.js'

const SHA = 'ab'.repeat(32)
const topics = topicsOf('r')

const ROWS: readonly (readonly [string, string, string])[] = [
  ['root', topics.root, 'r'],
  ['all', topics.all, 'r/#'],
  ['worker.birth', topics.worker.birth('w-1'), 'r/worker/w-1/birth'],
  ['worker.births', topics.worker.births, 'r/worker/+/birth'],
  ['worker.death', topics.worker.death('w-1', 17), 'r/worker/w-1/death/17'],
  ['worker.deaths', topics.worker.deaths, 'r/worker/+/death/+'],
  ['worker.probe', topics.worker.probe('w-1'), 'r/worker/w-1/probe'],
  ['worker.beat', topics.worker.beat('w-1'), 'r/worker/w-1/beat'],
  ['worker.beats', topics.worker.beats, 'r/worker/+/beat'],
  ['worker.desired', topics.worker.desired('w-1'), 'r/worker/w-1/desired'],
  ['worker.desireds', topics.worker.desireds, 'r/worker/+/desired'],
  ['worker.actual', topics.worker.actual('w-1'), 'r/worker/w-1/actual'],
  ['worker.actuals', topics.worker.actuals, 'r/worker/+/actual'],
  ['supervisor.leader', topics.supervisor.leader, 'r/supervisor/leader'],
  ['supervisor.death', topics.supervisor.death('s1'), 'r/supervisor/death/s1'],
  ['supervisor.deaths', topics.supervisor.deaths, 'r/supervisor/death/+'],
  ['supervisor.beat', topics.supervisor.beat, 'r/supervisor/beat'],
  ['supervisor.findings', topics.supervisor.findings, 'r/supervisor/findings'],
  ['pipeline.spec', topics.pipeline.spec('p'), 'r/pipeline/p/spec'],
  ['pipeline.specs', topics.pipeline.specs, 'r/pipeline/+/spec'],
  ['pipeline.plan', topics.pipeline.plan('p'), 'r/pipeline/p/plan'],
  ['pipeline.plans', topics.pipeline.plans, 'r/pipeline/+/plan'],
  ['pipeline.status', topics.pipeline.status('p'), 'r/pipeline/p/status'],
  ['pipeline.statuses', topics.pipeline.statuses, 'r/pipeline/+/status'],
  ['pipeline.report', topics.pipeline.report('p', 'd'), 'r/pipeline/p/dispatcher/d'],
  ['pipeline.reports', topics.pipeline.reports, 'r/pipeline/+/dispatcher/+'],
  ['pipeline.crash', topics.pipeline.crash('p'), 'r/pipeline/p/crash'],
  ['pipeline.crashes', topics.pipeline.crashes, 'r/pipeline/+/crash'],
  ['data.stage', topics.data.stage('p', 4, 0, 2), 'r/data/p/4/0/2'],
  ['data.results', topics.data.results('p', 'd'), 'r/data/p/results/d'],
  ['sensor.frame', topics.sensor.frame('p', 's-1', 'json', 'A.b_7:~-'), 'r/in/p/s-1/json/A.b_7:~-'],
  ['sensor.frames', topics.sensor.frames, 'r/in/#'],
  ['sensor.results', topics.sensor.results('p', 's-1'), 'r/out/p/s-1'],
  ['sensor.raw', topics.sensor.raw('p', 's-1'), 'r/out/p/s-1/raw'],
  ['probe', topics.probe('c-1'), 'r/probe/c-1'],
  ['fault.worker', topics.fault.worker('w-1'), 'r/fault/worker/w-1'],
  ['fault.broker', topics.fault.broker, 'r/fault/broker'],
  ['fault.answer', topics.fault.answer('o-1'), 'r/fault/answer/o-1'],
  ['model.request', topics.model.request(SHA), `r/model/${SHA}/request`],
  ['model.requests', topics.model.requests, 'r/model/+/request'],
  ['model.chunk', topics.model.chunk(SHA, 'w-1'), `r/model/${SHA}/chunk/w-1`],
  ['model.chunks', topics.model.chunks('w-1'), 'r/model/+/chunk/w-1'],
]

function pathsOf(value: object, prefix = ''): string[] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
    typeof inner === 'object' && inner !== null ? pathsOf(inner, `${prefix}${key}.`) : [`${prefix}${key}`],
  )
}

for (const [path, built, expected] of ROWS) {
  test(`topics - ${path} is ${expected.replace(SHA, '<sha256>')}`, t => {
    t.is(built, expected)
  })
}

test('topics - each one has a row in this table', t => {
  t.deepEqual(
    pathsOf(topics),
    ROWS.map(([path]) => path),
  )
})

test('topics - the root may have levels, and is millrace/v1 where none is given', t => {
  t.is(topicsOf().worker.births, 'millrace/v1/worker/+/birth')
  t.is(DEFAULT_ROOT, topicsOf().root)
  t.is(topicsOf('a/b-2/c').all, 'a/b-2/c/#')
})

test('topics - a bad root is refused', t => {
  const deep = Array.from({ length: 9 }, () => 'a').join('/')
  for (const root of [
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    'A',
    'a/+',
    'a/#',
    'a b',
    '$SYS',
    'ä',
    'a\n',
    deep,
    'a'.repeat(65),
  ]) {
    t.is(
      codeOf(() => topicsOf(root)),
      'TOPIC_INVALID',
      root,
    )
  }
})

test('topics - a bad name, number or hash is refused wherever it stands', t => {
  for (const name of ['', 'A', 'a/b', '+', '#', 'a b', 'a_b', 'ä', 'a\n', 'a'.repeat(65), '..']) {
    t.false(isName(name))
    const builders = [
      () => topics.worker.birth(name),
      () => topics.worker.death(name, 0),
      () => topics.worker.beat(name),
      () => topics.worker.desired(name),
      () => topics.worker.actual(name),
      () => topics.pipeline.spec(name),
      () => topics.pipeline.plan(name),
      () => topics.pipeline.status(name),
      () => topics.data.stage(name, 0, 0, 0),
      () => topics.data.results(name, 'd'),
      () => topics.data.results('p', name),
      () => topics.sensor.frame(name, 's', 'raw'),
      () => topics.sensor.frame('p', name, 'raw'),
      () => topics.sensor.results(name, 's'),
      () => topics.sensor.results('p', name),
      () => topics.sensor.raw(name, 's'),
      () => topics.sensor.raw('p', name),
      () => topics.model.chunk(SHA, name),
      () => topics.model.chunks(name),
    ]
    for (const build of builders) t.is(codeOf(build), 'TOPIC_INVALID')
  }
  for (const number of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    t.is(
      codeOf(() => topics.worker.death('w', number)),
      'TOPIC_INVALID',
    )
    t.is(
      codeOf(() => topics.data.stage('p', number, 0, 0)),
      'TOPIC_INVALID',
    )
    t.is(
      codeOf(() => topics.data.stage('p', 0, number, 0)),
      'TOPIC_INVALID',
    )
    t.is(
      codeOf(() => topics.data.stage('p', 0, 0, number)),
      'TOPIC_INVALID',
    )
  }
  for (const sha256 of ['', SHA.slice(1), `${SHA}a`, SHA.toUpperCase(), `${SHA}\n`]) {
    t.is(
      codeOf(() => topics.model.request(sha256)),
      'TOPIC_INVALID',
    )
    t.is(
      codeOf(() => topics.model.chunk(sha256, 'w')),
      'TOPIC_INVALID',
    )
  }
})

test('topics - the levels below a root are those of the topic, and none of another root', t => {
  const names = fc.array(fc.stringMatching(/^[a-z0-9-]{1,8}$/), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(names, names, (root, levels) => {
      t.deepEqual(levelsBelow(root.join('/'), [...root, ...levels].join('/')), levels)
    }),
  )
  for (const topic of ['a', 'ab/c', 'b/a/c', '', 'A/c']) t.is(levelsBelow('a', topic), undefined)
  t.deepEqual(levelsBelow('a', 'a/'), [''])
})

test('topics - the topic of a frame is read as it was built, with and without an id', t => {
  const name = fc.stringMatching(/^[a-z0-9-]{1,64}$/)
  const frameId = fc.option(fc.stringMatching(/^[A-Za-z0-9._:~-]{1,128}$/), { nil: undefined })
  fc.assert(
    fc.property(name, name, fc.constantFrom(...SENSOR_FORMATS), frameId, (pipeline, stream, format, id) => {
      const expected = { pipeline, stream, format, ...(id === undefined ? {} : { frameId: id }) }
      t.deepEqual(parseSensorTopic('r', topics.sensor.frame(pipeline, stream, format, id)), expected)
    }),
  )
})

const SENSOR_TOPICS: readonly (readonly [string, RegExp | undefined])[] = [
  ['r/in/p/s/jpeg', /'jpeg' is no format: choose raw, json, msgpack, image/],
  ['r/in/p/s', /'' is no format/],
  ['r/in/p/s/raw/', /frame id/],
  ['r/in/p/s/raw/a b', /frame id/],
  ['r/in/p/s/raw/a/b', /frame id/],
  [`r/in/p/s/raw/${'a'.repeat(129)}`, /frame id/],
  ['r/in/P/s/raw', undefined],
  ['r/in/p/S/raw', undefined],
  ['r/in/p//raw', undefined],
  ['r/in', undefined],
  ['r/out/p/s/raw', undefined],
  ['q/in/p/s/raw', undefined],
]

for (const [topic, problem] of SENSOR_TOPICS) {
  test(`topics - ${topic.slice(0, 30)} is no topic of a frame, ${problem ? 'which its stream can be told' : 'and of no stream'}`, t => {
    const parsed = parseSensorTopic('r', topic)
    if (problem === undefined) return t.is(parsed, undefined)
    t.like(parsed, { pipeline: 'p', stream: 's' })
    t.regex(parsed !== undefined && 'problem' in parsed ? parsed.problem : '', problem)
  })
}

test('topics - a bad frame id is refused', t => {
  for (const id of ['', 'a b', 'a/b', '+', '#', 'ä', 'a'.repeat(129)]) {
    t.is(
      codeOf(() => topics.sensor.frame('p', 's', 'raw', id)),
      'TOPIC_INVALID',
    )
  }
})
