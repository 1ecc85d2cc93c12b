import { mock } from 'node:test'
import test, { type ExecutionContext } from 'ava'
import { NEVER, Subject } from 'rxjs'
import { reportOn } from '../../../actors/dispatcher/index.js'
import { type Bus } from '../../../core/bus.js'
import { decodeControl, DispatcherReport } from '../../../core/control/index.js'
import { MillraceError } from '../../../core/errors.js'
import { row, settled, TOPICS } from '../../support/actors.js'
import { Desk, planOf } from '../../support/dispatching.js'

/** A dispatcher whose reports go to a list, and whose clock is the test's. */
async function setting(t: ExecutionContext) {
  mock.timers.enable({ apis: ['setInterval', 'Date'], now: 1_700_000_000_000 })
  t.teardown(() => mock.timers.reset())
  const desk = await Desk.open(t)
  const reports: DispatcherReport[] = []
  const certain: number[] = []
  const topics = new Set<string>()
  const state = { gone: false }
  const bus: Bus = {
    ...{ clientId: 'test', maxMessageBytes: 1_000, state$: NEVER },
    publish: async (topic, payload, options) => {
      if (state.gone) throw new MillraceError('BUS_DISCONNECTED', 'gone')
      topics.add(topic)
      if (options?.retain === true) throw new Error('not to be retained')
      const report = decodeControl(DispatcherReport, payload)
      if (report !== undefined) reports.push(report)
      if (options?.qos === 1) certain.push(reports.length)
    },
    subscribe: () => Promise.reject(new Error('not wanted')),
    close: async () => {},
  }
  reportOn(desk.dispatcher, { id: 'door', pipeline: 'p', bus, topics: TOPICS })
  const source = new Subject<ReturnType<typeof row>>()
  source.pipe(desk.dispatcher.infer()).subscribe({ error: () => undefined })
  return { desk, reports, certain, topics, source, state, second: () => mock.timers.tick(1_000) }
}

test.serial('the reports of a dispatcher - say once a second how its frames fare', async t => {
  const { desk, reports, topics, source } = await setting(t)
  for (let i = 0; i < 4; i++) source.next(row(i, i))
  mock.timers.tick(100)
  desk.answer(0)
  desk.fail(1)
  mock.timers.tick(900)
  t.is(reports.length, 1)
  t.deepEqual([...topics], [TOPICS.pipeline.report('p', 'door')])
  const [first] = reports
  t.deepEqual(first?.frames, { admitted: 4, predicted: 1, dropped: 0, failed: 1, inFlight: 2 })
  t.like(first, { dispatcher: 'door', pipeline: 'p', epoch: 1, fps: 1 })
  const { p50 = 0, p99 = 0 } = first?.latencyMs ?? {}
  t.true(Math.abs(p50 - 100) <= 2 && p99 === p50, `${p50}, ${p99}`)
})

test.serial(
  'the reports of a dispatcher - say at once that a plan is in force, and when the last is over',
  async t => {
    const { desk, reports, certain, source } = await setting(t)
    for (let i = 0; i < 2; i++) source.next(row(i, i))
    const said = () => reports.map(({ epoch, draining }) => [epoch, draining])
    desk.plan$.next(planOf(2, { handover: 'drain' }))
    t.deepEqual(said(), [[2, [1]]])
    desk.answer(0)
    t.is(reports.length, 1)
    desk.answer(1)
    t.deepEqual(said().slice(1), [[2, []]])
    source.next(row(2, 2))
    desk.plan$.next(planOf(3))
    t.deepEqual(said().slice(2), [[3, []]])
    t.deepEqual(certain, [1, 2, 3], 'each with QoS 1')
  },
)

test.serial(
  'the reports of a dispatcher - fall silent when it has no frames, until it has some again',
  async t => {
    const { desk, reports, source, second } = await setting(t)
    for (let i = 0; i < 3; i++) second()
    t.is(reports.length, 0)
    source.next(row(1, 1))
    for (let i = 0; i < 20; i++) second()
    t.is(reports.length, 20, 'a frame that waits is worth a report')
    desk.answer(0)
    for (let i = 0; i < 20; i++) second()
    const said = reports.length
    t.true(said < 30)
    t.like(reports.at(-1), { fps: 0, frames: { predicted: 1, inFlight: 0 } })
    t.is(reports.at(-1)?.latencyMs, undefined)
    source.next(row(2, 2))
    second()
    t.is(reports.length, said + 1)
  },
)

test.serial('the reports of a dispatcher - end with it, and a bus that is gone does no harm', async t => {
  const { desk, reports, source, state, second } = await setting(t)
  source.next(row(1, 1))
  second()
  state.gone = true
  second()
  await settled()
  state.gone = false
  second()
  t.is(reports.length, 2)
  t.false(reports.some(({ closed }) => closed))
  desk.plan$.next(planOf(2, { handover: 'drain' }))
  await desk.dispatcher.close()
  second()
  t.is(reports.length, 4)
  t.like(reports.at(-1), { closed: true, draining: [], frames: { failed: 1, inFlight: 0 } })
})
