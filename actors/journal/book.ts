import { randomBytes } from 'node:crypto'
import { keys } from './keys.js'
import { type Held, StreamBook } from './stream-book.js'
import { type Store } from './store.js'

/** Streams of a pipeline whose positions are remembered one by one. */
const MOST_STREAMS = 10_000

/** What a journal has of one pipeline. */
export class Book {
  readonly id: string
  private readonly streams = new Map<string, StreamBook>()

  constructor(
    readonly pipeline: string,
    private readonly store: Store,
    private readonly held: Held,
    private readonly path: string,
  ) {
    const key = keys.dispatcher(pipeline)
    this.id = store.records.get(key) ?? `d-${randomBytes(6).toString('hex')}`
    if (!store.records.has(key)) store.set(key, this.id)
    for (const [name, value] of store.records) {
      const [kind = '', of, stream, rest = ''] = name.split('/')
      if (of === pipeline && stream !== undefined) this.known(stream).load(kind, rest, value)
    }
  }

  /** Streams with frames that have not ended. */
  get unfinished(): string[] {
    return [...this.streams].flatMap(([name, stream]) => (stream.size > 0 ? [name] : []))
  }

  nextOf(stream: string): number {
    return this.streams.get(stream)?.nextSequence ?? this.floor
  }

  /** A stream as it is now; it is opened once at a time. */
  stream(name: string): StreamBook {
    const stream = this.known(name)
    this.streams.delete(name)
    this.streams.set(name, stream)
    this.makeRoom(name)
    stream.open()
    return stream
  }

  private get floor(): number {
    return Number(this.store.records.get(keys.floor(this.pipeline)) ?? 0)
  }

  private known(name: string): StreamBook {
    const { pipeline, store, held, path } = this
    const place = { pipeline, stream: name, path }
    const stream = this.streams.get(name) ?? new StreamBook(place, store, held, this.floor)
    this.streams.set(name, stream)
    return stream
  }

  /** Forgets the stream that was opened longest ago, but not its numbers: no identity is used twice (promise 4). */
  private makeRoom(wanted: string): void {
    for (const [name, stream] of this.streams) {
      if (this.streams.size <= MOST_STREAMS) return
      if (name === wanted || stream.size > 0) continue
      this.store.set(keys.floor(this.pipeline), String(Math.max(this.floor, stream.nextSequence)))
      stream.remove()
      this.streams.delete(name)
    }
  }
}
