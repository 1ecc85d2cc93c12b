import test from 'ava'
import fc from 'fast-check'
import { Subject, type Subscription } from 'rxjs'
import { identityKey } from '../../../core/frame.js'
import { type Tensor } from '../../../core/tensor.js'
import { row } from '../../support/actors.js'
import { Desk, planOf, WINDOW } from '../../support/dispatching.js'

/** Each of another kind: order, delivery and what a failure does. */
const STREAMS = {
  a: {},
  b: { order: 'completion' },
  c: { delivery: 'freshest', maxQueuedFrames: 1 },
  d: { failures: 'throw', maxQueuedFrames: 1 },
} as const
type Stream = keyof typeof STREAMS

const stream = fc.constantFrom<Stream>('a', 'b', 'c', 'd')
const pick = fc.nat({ max: 20 })
const times = fc.integer({ min: 1, max: 6 })
const anyStep = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('offer' as const), stream, times }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('offer bad' as const), stream, times }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('answer' as const), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('fail' as const, 'wrong epoch' as const), pick }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('garbage' as const, 'plan' as const, 'restored' as const) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('complete' as const, 'unsubscribe' as const), stream, times }),
  },
)
type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never

/** A dispatcher with all the streams, each opened anew when it has ended. */
class Play {
  private readonly sources = new Map<Stream, { source: Subject<Tensor>; subscription: Subscription }>()
  private readonly answered = new Set<string>()
  private epoch = 1

  constructor(private readonly desk: Desk) {}

  take(step: Step): void {
    const { desk } = this
    if ('stream' in step) {
      for (let i = 0; i < step.times; i++) this.act(step.do, step.stream)
      return
    }
    if ('pick' in step) return this.reply(step.do, step.pick)
    if (step.do === 'garbage') desk.deliver(new Uint8Array(50).fill(3))
    else if (step.do === 'plan') desk.plan$.next(planOf(++this.epoch))
    else desk.restored$.next()
  }

  /** Keys of what was sent, and has neither been answered nor ended otherwise. */
  underWay(): string[] {
    const over = new Set([...this.answered, ...this.desk.entries.map(identityKey)])
    const sent = new Set(this.desk.sent.map(({ header }) => identityKey(header)))
    return [...sent].filter(key => !over.has(key))
  }

  finish(): void {
    for (const { source } of this.sources.values()) source.complete()
    // Each answer lets a waiting frame be sent.
    for (let i = 0; i < this.desk.sent.length; i++) this.reply('answer', i)
  }

  private act(what: string, name: Stream): void {
    const { source, subscription } = this.open(name)
    if (what === 'complete') source.complete()
    else if (what === 'unsubscribe') subscription.unsubscribe()
    else source.next(what === 'offer' ? row(1, 2) : row(1))
  }

  private open(name: Stream) {
    const known = this.sources.get(name)
    if (known && !known.subscription.closed) return known
    const source = new Subject<Tensor>()
    const infer = this.desk.dispatcher.infer({ stream: name, ...STREAMS[name] })
    const opened = { source, subscription: source.pipe(infer).subscribe({ error: () => {} }) }
    this.sources.set(name, opened)
    return opened
  }

  /** To any frame that was ever sent: so many answers come twice, or late, or under an epoch that is over. */
  private reply(what: string, pick: number): void {
    const sent = this.desk.sent[pick % Math.max(1, this.desk.sent.length)]
    if (sent === undefined) return
    const { sequence, stream } = sent.header
    const error = { code: 'INFERENCE_FAILED', message: '' } as const
    if (what !== 'wrong epoch') this.answered.add(identityKey(sent.header))
    const change = what === 'fail' ? { error } : what === 'wrong epoch' ? { epoch: this.epoch - 1 } : {}
    this.desk.answer(sequence, change, stream)
  }
}

test('the ledger of a dispatcher - each admitted frame ends once, whatever happens in whatever order', async t => {
  const ends = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 80 }), async steps => {
      const desk = await Desk.open(t)
      const { dispatcher } = desk
      const admitted: string[] = []
      dispatcher.frames$.subscribe(frame => admitted.push(identityKey(frame)))
      const play = new Play(desk)
      for (const step of steps) {
        play.take(step)
        const { open, ...counts } = dispatcher.counts()
        t.is(open, counts.admitted - counts.predicted - counts.dropped - counts.failed)
        t.is(counts.admitted, admitted.length)
        t.true(play.underWay().length <= WINDOW)
      }
      play.finish()
      t.deepEqual([...desk.entries.map(identityKey)].sort(), [...admitted].sort())
      t.is(new Set(admitted).size, admitted.length)
      t.is(dispatcher.counts().open, 0)
      const predicted = desk.entries.filter(({ end }) => end === 'predicted').map(identityKey)
      t.deepEqual(desk.predictions.map(identityKey), predicted)
      for (const name of ['a', 'c', 'd']) {
        const order = desk.predictions.filter(({ stream }) => stream === name).map(({ sequence }) => sequence)
        t.deepEqual(
          order,
          [...order].sort((x, y) => x - y),
        )
      }
      for (const end of desk.ends) ends.add(end.replace(/^\S+ /, ''))
    }),
    { numRuns: 300 },
  )
  // Had the steps not led to every kind of end, they would show little.
  const kinds = [
    'predicted',
    'dropped stale',
    'dropped unsubscribed',
    'failed FRAME_SHAPE',
    'failed INFERENCE_FAILED',
    'failed SOURCE_OVERRUN',
  ]
  t.deepEqual([...ends].sort(), kinds.sort())
})
