import { randomBytes } from 'node:crypto'
import { type DispatcherJournal, type FrameJournal } from '../../core/journal.js'
import { MillraceError } from '../../core/errors.js'
import { Book } from './book.js'
import { keys } from './keys.js'
import { openStore } from './open-store.js'
import { type Held } from './stream-book.js'
import { type Store } from './store.js'

export interface JournalSettings {
  /** Of the frames in it; one that finds any room is taken, whatever its size. */
  readonly maxBytes: number
  /** Whether each write waits for the disk. */
  readonly sync: boolean
  /** Is told JOURNAL_FULL each time that there is no room any more, and once what writing fails with. */
  readonly onTrouble: (error: MillraceError) => void
}

/** A folder with the frames of several pipelines that were admitted and have not ended. One process has it at a time. */
export class Journal implements FrameJournal {
  private readonly books = new Map<string, Book>()
  private readonly held: Held = { bytes: 0 }
  private readonly leased = new Set<string>()
  private wasFull = false
  private closing: Promise<void> | undefined

  private constructor(
    readonly path: string,
    private readonly store: Store,
    private readonly settings: JournalSettings,
  ) {}

  /** @throws JOURNAL_IN_USE, JOURNAL_CORRUPT, JOURNAL_FAILED */
  static async open(path: string, settings: JournalSettings): Promise<Journal> {
    const store = await openStore(path, settings)
    const journal = new Journal(path, store, settings)
    if (!store.records.has(keys.id)) store.set(keys.id, randomBytes(6).toString('hex'))
    for (const pipeline of pipelinesIn(store)) journal.bookOf(pipeline)
    try {
      await store.written()
      return journal
    } catch (error) {
      await store.close()
      throw error
    }
  }

  /** Its own among all journals. */
  get id(): string {
    return this.store.records.get(keys.id) ?? ''
  }

  /** What writing has failed with. */
  get failure(): MillraceError | undefined {
    return this.store.failure
  }

  /** Resolves when all that was handed over so far is on disk. @throws JOURNAL_FAILED */
  written(): Promise<void> {
    return this.store.written()
  }

  /** What it has of a pipeline, for one dispatcher. @throws JOURNAL_IN_USE: another one has it */
  lease(pipeline: string): DispatcherJournal {
    if (this.leased.has(pipeline)) {
      const what = `another connection to '${pipeline}' in this program has its part of the journal '${this.path}'`
      throw new MillraceError('JOURNAL_IN_USE', `${what}; use that one, or close it first`)
    }
    this.leased.add(pipeline)
    const book = this.bookOf(pipeline)
    const hasRoom = () => this.hasRoom()
    return {
      id: book.id,
      get hasRoom() {
        return hasRoom()
      },
      get unfinished() {
        return book.unfinished
      },
      nextOf: name => book.nextOf(name),
      stream: name => book.stream(name),
      release: () => void this.leased.delete(pipeline),
    }
  }

  /** Writes what is left. Idempotent. */
  close(): Promise<void> {
    this.closing ??= this.store.close()
    return this.closing
  }

  private bookOf(pipeline: string): Book {
    const book = this.books.get(pipeline) ?? new Book(pipeline, this.store, this.held, this.path)
    this.books.set(pipeline, book)
    return book
  }

  private hasRoom(): boolean {
    const full = this.held.bytes >= this.settings.maxBytes
    if (full && !this.wasFull) this.settings.onTrouble(this.full())
    this.wasFull = full
    return !full
  }

  private full(): MillraceError {
    const streams = [...this.books.values()].flatMap(book =>
      book.unfinished.map(stream => `${book.pipeline}/${stream}`),
    )
    const [shown, more] = [streams.slice(0, 5).join(', '), streams.length > 5 ? ' and others' : '']
    const { bytes } = this.held
    const what = `the journal '${this.path}' has ${bytes} bytes of frames, the limit is ${this.settings.maxBytes}`
    return new MillraceError('JOURNAL_FULL', `${what}; they are of ${shown}${more}`)
  }
}

function pipelinesIn(store: Store): string[] {
  return [...store.records.keys()].flatMap(key => {
    const [kind, pipeline] = key.split('/')
    return kind === 'dispatcher' && pipeline !== undefined ? [pipeline] : []
  })
}
