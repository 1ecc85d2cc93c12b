import test, { type ExecutionContext } from 'ava'
import { SessionPool } from '../../../actors/session/index.js'
import { Stage } from '../../../actors/stage/index.js'
import { PeerLink } from '../../../broker/index.js'
import { type BusHandler } from '../../../core/bus.js'
import { decodeHeader, encodeEnvelope } from '../../../core/codec/index.js'
import { type Activation } from '../../../core/control/index.js'
import { type MillraceError } from '../../../core/errors.js'
import { type Link, type LinkKind } from '../../../core/link.js'
import { replicaFor } from '../../../core/schedule.js'
import { type Tensors } from '../../../core/tensor.js'
import {
  adder,
  inTurns,
  modelFile,
  rejection,
  row,
  settled,
  testBroker,
  TOPICS,
} from '../../support/actors.js'
import { Inbox } from '../../support/bus.js'
import { inboxBroker, peerAddress } from '../../support/inboxes.js'
import { freePort } from '../../support/ports.js'
import { ACTIVATION, EPOCH, frame, header, INBOX, NEXT, STAGE } from '../../support/staging.js'

/** A link whose other ends are the test. */
class Ends implements Link {
  readonly sent: number[] = []
  held = false
  /** The only topic where what is sent does not leave at once, if it is set. */
  stuckTopic: string | undefined
  private receive: BusHandler = () => undefined
  private readonly stuck: (() => void)[] = []

  /** @param flowing  whether what is sent leaves at once */
  constructor(private flowing: boolean) {}

  listen: Link['listen'] = async (_address, handler) => {
    this.receive = handler
    return {
      close: async () => undefined,
      hold: () => (this.held = true),
      release: () => (this.held = false),
    }
  }

  open: Link['open'] = ({ topic }) => ({
    settled: Promise.resolve<LinkKind>('peer'),
    way: 'peer' as const,
    send: async message => {
      const flows = this.flowing && topic !== this.stuckTopic
      if (!flows) await new Promise<void>(resolve => this.stuck.push(resolve))
      this.sent.push(decodeHeader(message).sequence)
    },
    close: async () => undefined,
  })

  arrive(sequence: number, tensors: Tensors = { x: row(sequence, 0) }): void {
    const payload = encodeEnvelope({ header: header(sequence), tensors })
    this.receive({ topic: INBOX, payload, owned: false, retained: false })
  }

  flow(): void {
    this.flowing = true
    this.stuckTopic = undefined
    for (const go of this.stuck.splice(0)) go()
  }
}

async function stageOn(t: ExecutionContext, link: Link, change: Partial<Activation> = {}) {
  const troubles: MillraceError[] = []
  const onTrouble = (error: MillraceError) => troubles.push(error)
  const model = await modelFile(t, adder(10))
  const stage = await Stage.activate({ ...ACTIVATION, ...change }, model, {
    ...{ link, topics: TOPICS, onTrouble },
    sessions: new SessionPool(),
  })
  t.teardown(() => stage.passivate())
  return { stage, troubles }
}

test('a stage - holds its senders from half of its inbox on, and lets them go at a quarter', async t => {
  const ends = new Ends(true)
  const { stage } = await stageOn(t, ends, { inboxFrames: 8 })
  for (let i = 0; i < 3; i++) ends.arrive(i)
  t.false(ends.held)
  for (let i = 3; i < 6; i++) ends.arrive(i)
  t.true(ends.held)
  await inTurns(() => ends.sent.length === 6)
  await inTurns(() => !ends.held)
  await inTurns(() => stage.progress().waiting === 0)
  t.deepEqual(ends.sent, [0, 1, 2, 3, 4, 5])
})

test('a stage - holds its senders while the next stage does not take what it sends', async t => {
  const ends = new Ends(false)
  const { stage, troubles } = await stageOn(t, ends, { inboxFrames: 8 })
  for (let i = 0; i < 4; i++) ends.arrive(i)
  await inTurns(() => stage.progress().frames === 1)
  await settled()
  t.true(ends.held)
  t.is(stage.progress().waiting, 4)
  t.deepEqual(ends.sent, [])
  ends.flow()
  await inTurns(() => ends.sent.length === 4)
  await inTurns(() => !ends.held)
  t.deepEqual(ends.sent, [0, 1, 2, 3])
  t.deepEqual(troubles, [])
})

test('a stage - frames for a replica that takes none wait, and hold none for another replica or a dispatcher', async t => {
  const ends = new Ends(true)
  const replicas = ['slow', 'good'].map(topic => ({ topic, weight: 1 }))
  const { stage, troubles } = await stageOn(t, ends, { inboxFrames: 40, next: replicas })
  ends.stuckTopic = 'slow'
  const all = Array.from({ length: 12 }, (_, i) => i)
  const turnsOf = (replica: number) => all.filter(turn => replicaFor(turn, STAGE + 1, [1, 1]) === replica)
  t.true(turnsOf(0).length >= 5 && turnsOf(1).length >= 5)
  for (const sequence of all) ends.arrive(sequence)
  await inTurns(() => ends.sent.length === turnsOf(1).length)
  t.deepEqual(ends.sent, turnsOf(1))
  ends.arrive(12, { x: row(1, 2, 3) })
  await inTurns(() => ends.sent.at(-1) === 12)
  t.is(stage.progress().waiting, turnsOf(0).length)
  ends.flow()
  await inTurns(() => stage.progress().waiting === 0)
  t.deepEqual(ends.sent.slice(-turnsOf(0).length), turnsOf(0))
  t.deepEqual(
    troubles.map(({ code }) => code),
    [],
  )
})

test('a stage - a message of another epoch changes nothing, also from who may enter its inbox', async t => {
  const cluster = await testBroker(t)
  const inbox = await inboxBroker(t)
  const parts = { sendTimeoutMs: 5_000 }
  const own = new PeerLink({ ...parts, worker: 'w2', bus: await cluster.connect('w2'), inbox })
  const upstream = new PeerLink({ ...parts, worker: 'w1', bus: await cluster.connect('w1') })
  const results = new Inbox()
  await (await cluster.connect('next')).subscribe(NEXT, results.handler)
  const address = peerAddress(INBOX, inbox.url, true)
  const { stage, troubles } = await stageOn(t, own, { inbox: address })
  const outlet = upstream.open(address)
  t.teardown(() => outlet.close())
  t.is(await outlet.settled, 'peer')
  for (const epoch of [EPOCH - 1, EPOCH + 1]) await outlet.send(frame(1, { epoch }))
  for (const other of [STAGE - 1, STAGE + 1]) await outlet.send(frame(2, { stage: other }))
  await outlet.send(frame(3))
  await results.holds(1)
  t.deepEqual(
    results.messages.map(({ bytes }) => decodeHeader(bytes).sequence),
    [3],
  )
  await inTurns(() => stage.progress().waiting === 0)
  t.like(stage.progress(), { frames: 1, failures: 0 })
  t.deepEqual(troubles, [])
})

test('a stage - that cannot send straight where it must, is not activated, and says why', async t => {
  const { connect } = await testBroker(t)
  const link = new PeerLink({ worker: 'w2', bus: await connect('w2'), sendTimeoutMs: 5_000 })
  const url = `mqtt://127.0.0.1:${await freePort()}`
  const next = (only: boolean) => ({ ...peerAddress(NEXT, url, only), worker: 'w3', weight: 1 })
  t.is(await rejection(stageOn(t, link, { next: [next(true)] })), 'LINK_UNREACHABLE')
  const { stage } = await stageOn(t, link, { next: [next(false)] })
  t.is(await stage.link, 'broker')
})
