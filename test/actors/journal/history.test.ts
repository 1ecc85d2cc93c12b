import { rm } from 'node:fs/promises'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { type Journal } from '../../../actors/journal/index.js'
import { type DispatcherJournal, type StreamJournal } from '../../../core/journal.js'
import { testFolder } from '../../support/actors.js'
import { crashed, testJournal } from '../../support/journals.js'

const PIPELINES = ['p', 'q']
const STREAMS = ['cam-1', 'cam-2']

type Change =
  | { readonly do: 'admit'; readonly place: number; readonly bytes: number }
  | { readonly do: 'end'; readonly place: number; readonly which: number }
  | { readonly do: 'skip' | 'forget'; readonly place: number }

type Step = Change | { readonly do: 'settle' | 'crash' | 'close' }

const place = fc.nat({ max: 3 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('admit'), place, bytes: fc.nat({ max: 3_000 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('end'), place, which: fc.nat({ max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('skip', 'forget'), place }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('settle', 'crash', 'close') }) },
)

/** What a stream is, by the test's own account or by the journal's. */
interface Account {
  next: number
  frames: Map<number, { readonly note: string; readonly content: readonly number[] }>
  ids: Map<string, number>
}

/** A journal, and beside it what should be in it. */
class Pair {
  private model: Account[] = PIPELINES.flatMap(() =>
    STREAMS.map(() => ({ next: 0, frames: new Map(), ids: new Map() })),
  )
  /** What it may be after a crash: from the last that is known to be written to the last of all. */
  private possible: Account[][]
  private books: DispatcherJournal[] = []
  private streams: StreamJournal[] = []
  private steps = 0

  constructor(
    private readonly t: ExecutionContext,
    private path: string,
    private journal: Journal,
  ) {
    this.possible = [structuredClone(this.model)]
    this.take(journal)
  }

  async run(step: Step): Promise<void> {
    if (step.do === 'settle') return this.settle()
    if (step.do === 'crash') return this.reopen(await crashed(this.t, this.path))
    if (step.do === 'close') {
      await this.journal.close()
      this.possible = this.possible.slice(-1)
      return this.reopen(this.path)
    }
    if ('place' in step) this.change(step)
    this.possible.push(structuredClone(this.model))
  }

  private change(step: Change): void {
    const [stream, account] = [this.streams[step.place], this.model[step.place]]
    if (stream === undefined || account === undefined) throw new Error('no such place')
    if (step.do === 'admit') {
      const [sequence, note] = [account.next++, `note ${++this.steps}`]
      const content = Uint8Array.from({ length: step.bytes }, (_, i) => i * this.steps)
      account.frames.set(sequence, { note, content: [...content] })
      account.ids.set(note, this.steps)
      stream.remember(note, this.steps)
      void stream.admit({ sequence, admittedAt: this.steps, note, content })
    } else if (step.do === 'end') {
      const sequence = [...account.frames.keys()][step.which]
      if (sequence === undefined) return
      account.frames.delete(sequence)
      stream.end(sequence)
    } else if (step.do === 'skip') stream.end(account.next++)
    else for (const id of [...account.ids.keys()].slice(0, 1)) stream.forget((account.ids.delete(id), id))
  }

  private async settle(): Promise<void> {
    await this.journal.written()
    this.possible = [structuredClone(this.model)]
  }

  private async reopen(path: string): Promise<void> {
    await this.journal.close()
    if (path !== this.path) await rm(this.path, { recursive: true })
    this.path = path
    this.journal = (await testJournal(this.t, path)).journal
    const ids = this.books.map(({ id }) => id)
    this.take(this.journal)
    const found = await Promise.all(this.streams.map(accountOf))
    this.t.deepEqual(
      this.books.map(({ id }) => id),
      ids,
    )
    this.t.true(
      this.possible.some(one => textOf(one) === textOf(found)),
      textOf(found),
    )
    this.model = found
    this.possible = [structuredClone(found)]
  }

  private take(journal: Journal): void {
    this.books = PIPELINES.map(pipeline => journal.lease(pipeline))
    this.streams = this.books.flatMap(book => STREAMS.map(stream => book.stream(stream)))
  }
}

async function accountOf(stream: StreamJournal): Promise<Account> {
  const frames = await Promise.all(
    stream.kept.map(async kept => {
      const { sequence, note } = kept
      return [sequence, { note, content: [...(await kept.read())] }] as const
    }),
  )
  return { next: stream.nextSequence, frames: new Map(frames), ids: new Map(stream.ids) }
}

function textOf(accounts: readonly Account[]): string {
  return JSON.stringify(
    accounts.map(({ next, frames, ids }) => [
      next,
      [...frames].sort(([x], [y]) => x - y),
      [...ids].sort(([x], [y]) => (x < y ? -1 : 1)),
    ]),
  )
}

test('the journal - after any history of frames, crashes and stops it has what had not ended, as it was', async t => {
  t.timeout(300_000)
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
      const path = await testFolder(t)
      const pair = new Pair(t, path, (await testJournal(t, path)).journal)
      for (const step of [...steps, { do: 'crash' } as const]) await pair.run(step)
    }),
    { numRuns: 60 },
  )
})
