import test from 'ava'
import { MillraceError } from '../../core/errors.js'
import { FanOut } from '../../core/fan-out.js'
import { type Link, type LinkKind } from '../../core/link.js'
import { rejection, settled } from '../support/actors.js'

/** A link whose outlets the test holds, by topic. */
class Ways implements Link {
  readonly sent = new Map<string, number>()
  readonly closed: string[] = []
  stuck: string | undefined
  unreachable: string | undefined

  constructor(private readonly kinds: Readonly<Record<string, LinkKind>>) {}

  listen: Link['listen'] = async () => {
    throw new MillraceError('INTERNAL', 'nobody listens here')
  }

  open: Link['open'] = ({ topic }) => {
    const way = this.kinds[topic] ?? 'broker'
    const lost = new MillraceError('LINK_UNREACHABLE', topic)
    const known = topic === this.unreachable ? Promise.reject(lost) : Promise.resolve(way)
    known.catch(() => undefined)
    return {
      way,
      settled: known,
      send: async () => {
        if (topic === this.unreachable) throw lost
        if (topic === this.stuck) await new Promise(() => undefined)
        this.sent.set(topic, (this.sent.get(topic) ?? 0) + 1)
      },
      close: async () => void this.closed.push(topic),
    }
  }

  fan(weights: Readonly<Record<string, number>>): FanOut {
    return new FanOut(
      this,
      1,
      Object.entries(weights).map(([topic, weight]) => ({ topic, weight })),
    )
  }
}

const WEIGHTS = { a: 2, b: 1, c: 1 }

test('a fan-out - each replica gets its share of the turns, in any run of them', async t => {
  for (const first of [0, 1_000, 2 ** 33]) {
    const ways = new Ways({})
    const fan = ways.fan(WEIGHTS)
    for (let turn = first; turn < first + 400; turn++) await fan.send(turn, new Uint8Array())
    for (const [topic, due] of [['a', 200] as const, ['b', 100] as const, ['c', 100] as const])
      t.true(Math.abs((ways.sent.get(topic) ?? 0) - due) < 4, `${ways.sent.get(topic)} of ${due}`)
  }
})

test('a fan-out - what one replica does not take, or cannot be sent, keeps nothing from the others', async t => {
  const ways = new Ways({})
  ways.stuck = 'a'
  ways.unreachable = 'b'
  const fan = ways.fan(WEIGHTS)
  const codes: unknown[] = []
  for (let turn = 0; turn < 40; turn++)
    void rejection(fan.send(turn, new Uint8Array())).then(code => codes.push(code))
  await settled()
  const sent = ways.sent.get('c') ?? 0
  t.deepEqual([...ways.sent.keys()], ['c'])
  t.true(sent >= 8, `${sent} sent`)
  t.is(codes.filter(code => code === undefined).length, sent)
  t.true(codes.filter(code => code === 'LINK_UNREACHABLE').length >= 8)
})

test('a fan-out - of several ways says the one that costs most', async t => {
  const say = async (kinds: Readonly<Record<string, LinkKind>>) => {
    const fan = new Ways(kinds).fan(WEIGHTS)
    t.is(await fan.settled, fan.way)
    return fan.way
  }
  t.is(await say({ a: 'local', b: 'local', c: 'local' }), 'local')
  t.is(await say({ a: 'local', b: 'peer', c: 'local' }), 'peer')
  t.is(await say({ a: 'peer', b: 'broker', c: 'local' }), 'broker')
})

test('a fan-out - says if one of its replicas cannot be reached, and closes all', async t => {
  const ways = new Ways({})
  ways.unreachable = 'c'
  const fan = ways.fan(WEIGHTS)
  t.is(await rejection(fan.settled), 'LINK_UNREACHABLE')
  await fan.close()
  t.deepEqual(ways.closed, ['a', 'b', 'c'])
})

test('a fan-out - says how fast each way to another worker has delivered, where that is measured', t => {
  const delivery = { mbps: 8, ms: 50, agoMs: 0 }
  const link: Link = {
    listen: () => Promise.reject(new MillraceError('INTERNAL', 'nobody listens here')),
    open: ({ topic }) => ({
      way: 'peer',
      settled: Promise.resolve('peer' as const),
      delivery: topic === 'unmeasured' ? undefined : delivery,
      send: () => Promise.resolve(),
      close: () => Promise.resolve(),
    }),
  }
  const to = (topic: string, worker?: string) => ({ topic, weight: 1, ...(worker && { worker }) })
  const fan = new FanOut(link, 1, [to('a', 'w1'), to('unmeasured', 'w2'), to('nobody knows whose')])
  t.deepEqual(fan.deliveries, [{ to: 'w1', ...delivery }])
})
