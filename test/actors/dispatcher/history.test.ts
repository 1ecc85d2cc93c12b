import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { Subject } from 'rxjs'
import { identityKey } from '../../../core/frame.js'
import { type Tensor } from '../../../core/tensor.js'
import { row, settled } from '../../support/actors.js'
import { Desk, planOf, type Sent, TestTime, WINDOW } from '../../support/dispatching.js'

const STREAMS = { a: 'admission', b: 'completion' } as const
type Stream = keyof typeof STREAMS

const pick = fc.nat({ max: 40 })
const anyStep = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('offer' as const),
      stream: fc.constantFrom<Stream>('a', 'b'),
      times: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('answer' as const), pick }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('lose' as const), pick }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('replay' as const, 'drain' as const),
      window: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('crash' as const),
      pick,
      beside: fc.nat({ max: 1 }),
      others: fc.constantFrom(true, false, false),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restored' as const) }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(100, 2_000, 6_000) }),
  },
)
type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never

function keyOf({ header }: Sent): string {
  return identityKey(header)
}

/** A pipeline that loses, doubles and delays what it is sent, and crashes, as the steps say; and checks what it is sent. */
class History {
  readonly admitted: string[] = []
  /** By frame, how many frames each crash named that named it. */
  readonly accused = new Map<string, number[]>()
  readonly flaws: string[] = []
  private readonly sources = new Map<Stream, Subject<Tensor>>()
  private readonly lost = new Set<Sent>()
  private readonly last = new Map<string, Sent>()
  private readonly ended = new Set<string>()
  /** Suspects that are under way again. */
  private readonly alone = new Set<string>()
  private epoch = 1
  private largest = WINDOW
  private seen = 0

  constructor(
    private readonly desk: Desk,
    private readonly time: TestTime,
  ) {
    desk.dispatcher.frames$.subscribe(frame => this.admitted.push(identityKey(frame)))
    desk.dispatcher.ledger$.subscribe(entry => this.end(identityKey(entry)))
    desk.sent$.subscribe(sent => this.check(sent))
    for (const [stream, order] of Object.entries(STREAMS)) {
      const source = new Subject<Tensor>()
      source.pipe(desk.dispatcher.infer({ stream, order, retries: 20 })).subscribe({ error: () => {} })
      this.sources.set(stream === 'a' ? 'a' : 'b', source)
    }
  }

  take(step: Step): void {
    switch (step.do) {
      case 'offer':
        for (let i = 0; i < step.times; i++) this.sources.get(step.stream)?.next(row(i, 1))
        return
      case 'answer':
        return this.with(step.pick, sent => this.answer(sent))
      case 'lose':
        return this.with(step.pick, sent => void this.lost.add(sent))
      case 'crash':
        return this.crash(step)
      case 'restored':
        return this.desk.restored$.next()
      case 'pass':
        return this.time.pass(step.ms)
      case 'replay':
      case 'drain': {
        // A larger window is given up only when what was sent under it has ended.
        this.largest = Math.max(this.largest, step.window)
        return this.desk.plan$.next(planOf(++this.epoch, { handover: step.do, window: step.window }))
      }
    }
  }

  /** From now on nothing is lost any more. */
  async finish(): Promise<void> {
    for (let round = 0; round < 500 && this.desk.dispatcher.counts().open > 0; round++) {
      for (; this.seen < this.desk.sent.length; this.seen++) {
        const sent = this.desk.sent[this.seen]
        if (sent !== undefined && !this.lost.has(sent)) this.answer(sent)
      }
      await settled()
      this.time.pass(1_000)
    }
  }

  /** Those that were sent and have neither been answered under the right epoch nor ended otherwise. */
  get underWay(): string[] {
    return [...this.last.keys()].filter(key => !this.ended.has(key))
  }

  private with(pick: number, act: (sent: Sent) => void): void {
    const sent = this.desk.sent[pick % Math.max(1, this.desk.sent.length)]
    if (sent !== undefined && !this.lost.has(sent)) act(sent)
  }

  private answer(sent: Sent): void {
    const { epoch } = sent.header
    // A suspect that is held back may not have been sent again since its epoch was given up.
    const { epoch: current, draining } = this.desk.epochs.at(-1) ?? { epoch: 0, draining: [] }
    const open = epoch === current || draining.includes(epoch)
    if (open && epoch === this.last.get(keyOf(sent))?.header.epoch) this.end(keyOf(sent))
    this.desk.answerTo(sent)
  }

  /** What is in the threads of one process is of one epoch. */
  private crash({ pick, beside, others }: Extract<Step, { do: 'crash' }>): void {
    const underWay = this.underWay.flatMap(key => this.last.get(key) ?? [])
    const first = underWay[pick % Math.max(1, underWay.length)]
    if (first === undefined) return
    const { epoch } = first.header
    const second = underWay.filter(sent => sent !== first && sent.header.epoch === epoch)
    const named = [first, ...second.slice(0, beside)]
    const suspects = named.map(({ header }) => header)
    const all = others ? [...suspects, { dispatcher: 'other', stream: 's', sequence: 1 }] : suspects
    for (const sent of named) {
      this.lost.add(sent)
      this.alone.delete(keyOf(sent))
      this.accused.set(keyOf(sent), [...(this.accused.get(keyOf(sent)) ?? []), all.length])
    }
    this.desk.crash([], { epoch, suspects: all })
  }

  private end(key: string): void {
    this.ended.add(key)
    this.alone.delete(key)
  }

  private check(sent: Sent): void {
    const key = keyOf(sent)
    if (this.ended.has(key)) this.flaws.push(`${key} was sent after its end`)
    if (sent.header.epoch !== this.epoch) this.flaws.push(`${key} was sent under an epoch that is over`)
    this.last.set(key, sent)
    const others = this.underWay.filter(other => other !== key)
    if (others.length >= this.largest) this.flaws.push(`${others.length + 1} are under way`)
    if ([...this.alone].some(other => other !== key)) this.flaws.push(`${key} goes beside a suspect`)
    if (!this.accused.has(key)) return
    if (others.some(other => !this.accused.has(other))) this.flaws.push(`suspect ${key} is not alone`)
    this.alone.add(key)
  }
}

async function play(t: ExecutionContext, steps: readonly Step[]) {
  const time = new TestTime()
  const desk = await Desk.open(t, planOf(1), time)
  const history = new History(desk, time)
  for (const step of steps) {
    history.take(step)
    await settled()
    const { open, admitted, predicted, failed } = desk.dispatcher.counts()
    t.is(open, admitted - predicted - failed)
  }
  await history.finish()
  return { desk, history }
}

test('any history of plans, losses, late and doubled results and crashes - every frame ends once, in order, as it must', async t => {
  const seen = { poisonous: 0, duplicates: 0, resent: 0, drained: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 10, maxLength: 60 }), async steps => {
      const { desk, history } = await play(t, steps)
      t.deepEqual(history.flaws, [])
      t.is(desk.dispatcher.counts().open, 0)
      t.deepEqual(desk.entries.map(identityKey).sort(), [...history.admitted].sort())
      const predicted = desk.entries.filter(({ end }) => end === 'predicted').map(identityKey)
      t.deepEqual(desk.predictions.map(identityKey), predicted)
      const order = desk.predictions.filter(({ stream }) => stream === 'a').map(({ sequence }) => sequence)
      t.deepEqual(
        order,
        [...order].sort((x, y) => x - y),
      )
      for (const { epoch, stream, sequence } of desk.predictions) {
        t.is(epoch, desk.sentOf(sequence, stream).header.epoch, 'that it was sent under last')
      }
      for (const entry of desk.entries) {
        if (entry.end === 'predicted') continue
        const crashes = history.accused.get(identityKey(entry)) ?? []
        t.true(entry.end === 'failed' && entry.error.code === 'FRAME_POISONOUS', JSON.stringify(entry))
        t.true(crashes.length >= 4 || (crashes.length >= 2 && crashes.at(-1) === 1), `${crashes.join()}`)
        seen.poisonous++
      }
      seen.duplicates += desk.dispatcher.counts().duplicates
      seen.resent += desk.sent.length - history.admitted.length
      seen.drained += desk.epochs.filter(({ draining }) => draining.length > 0).length
      t.deepEqual(desk.epochs.at(-1)?.draining, [])
    }),
    { numRuns: 300 },
  )
  // Had the steps not led to each of these, they would show little.
  t.log(seen)
  for (const [what, times] of Object.entries(seen)) t.true(times > 10, `${what}: ${times}`)
})
