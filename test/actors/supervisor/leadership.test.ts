import test from 'ava'
import { leaderClientId } from '../../../actors/supervisor/index.js'
import { claimLeadership } from '../../../actors/supervisor/leadership.js'
import { type Bus } from '../../../core/bus.js'
import { encodeControl, Leader } from '../../../core/control/index.js'
import { hear, rejection, testBroker, TOPICS, until } from '../../support/actors.js'

const LIMITS = { settleMs: 1_000, limitMs: 60_000 }

function claim(bus: Bus, name: string): Promise<number> {
  return claimLeadership(bus, TOPICS, name, LIMITS)
}

test('leadership - the first claim is term 1, and each further one a term more, for all to see', async t => {
  const { connect } = await testBroker(t)
  t.is(await claim(await connect('a'), 'first'), 1)
  t.is(await claim(await connect('b'), 'second'), 2)
  const leaders = await hear(await connect('c'), TOPICS.supervisor.leader, Leader)
  t.deepEqual(await until(leaders), { term: 2, supervisor: 'second' })
})

test('leadership - of two that claim the same term the one that is read first leads, and the other knows', async t => {
  const { connect } = await testBroker(t)
  const [bus, other] = [await connect('a'), await connect('b')]
  const leaders = await hear(other, TOPICS.supervisor.leader, Leader)
  const overtaken: Bus = {
    ...bus,
    state$: bus.state$,
    clientId: bus.clientId,
    maxMessageBytes: bus.maxMessageBytes,
    subscribe: (filter, handler, options) => bus.subscribe(filter, handler, options),
    close: () => bus.close(),
    publish: async (topic, payload, options) => {
      await other.publish(topic, encodeControl({ term: 1, supervisor: 'faster' }), { qos: 1, retain: true })
      await until(leaders)
      return bus.publish(topic, payload, options)
    },
  }
  const error = await t.throwsAsync(claim(overtaken, 'slower'), { code: 'SUPERVISOR_SUPERSEDED' })
  t.regex(error?.message ?? '', /'faster'.*term 1/)
})

test('leadership - a claim that is overtaken by a larger term is lost', async t => {
  const { connect } = await testBroker(t)
  const [bus, other] = [await connect('a'), await connect('b')]
  const leaders = await hear(other, TOPICS.supervisor.leader, Leader)
  leaders.subscribe(({ term }) => {
    if (term === 1) void other.publish(TOPICS.supervisor.leader, encodeControl({ term: 9, supervisor: 'b' }))
  })
  t.is(await claim(bus, 'first'), 1)
  await until(leaders, ({ term }) => term === 9)
  await other.publish(TOPICS.supervisor.leader, encodeControl({ term: 9, supervisor: 'b' }), { retain: true })
  t.is(await claim(bus, 'first'), 10)
})

test('leadership - what is no claim is passed over', async t => {
  const { connect } = await testBroker(t)
  const bus = await connect('a')
  await bus.publish(TOPICS.supervisor.leader, new TextEncoder().encode('me'), { retain: true })
  t.is(await claim(bus, 'first'), 1)
})

test('leadership - the newest connection takes it from the one before', async t => {
  const { dial } = await testBroker(t)
  const id = leaderClientId(TOPICS)
  const first = await dial(id, { reconnect: false })
  await claim(first, 'first')
  const closed = until(first.state$, state => state === 'closed')
  const second = await dial(id, { reconnect: false })
  t.is(await claim(second, 'second'), 2)
  await closed
  t.is(await rejection(claim(first, 'first')), 'BUS_CLOSED')
})
