import { crc32 } from 'node:zlib'
import { z } from 'zod'
import { type KeptFrame, type NewFrame, type StreamJournal } from '../../core/journal.js'
import { keys } from './keys.js'
import { corrupt, type Store } from './store.js'

/** Bytes of all frames in a journal. */
export interface Held {
  bytes: number
}

/** What is kept of a frame beside its content. */
const FrameRecord = z.object({ at: z.number(), bytes: z.number(), crc: z.number(), note: z.string() })
type FrameRecord = z.infer<typeof FrameRecord>

/** What a frame takes beside its content, about. */
const FRAME_BYTES = 256

/** What a journal has of one stream. */
export class StreamBook implements StreamJournal {
  kept: readonly KeptFrame[] = []
  readonly ids = new Map<string, number>()
  private readonly frames = new Map<number, FrameRecord>()

  constructor(
    private readonly place: { readonly pipeline: string; readonly stream: string; readonly path: string },
    private readonly store: Store,
    private readonly held: Held,
    private next: number,
  ) {}

  get nextSequence(): number {
    return this.next
  }

  get size(): number {
    return this.frames.size
  }

  get failure(): Error | undefined {
    return this.store.failure
  }

  /** Takes up a record that was there. */
  load(kind: string, rest: string, value: string): void {
    if (kind === 'next') this.next = Math.max(this.next, Number(value))
    if (kind === 'seen') this.ids.set(rest, Number(value))
    if (kind === 'frame') this.hold(Number(rest), this.parse(value))
  }

  /** What it has of frames is what has not ended. */
  open(): void {
    const frames = [...this.frames].sort(([a], [b]) => a - b)
    this.kept = frames.map(([sequence, { at, bytes, note }]) => {
      return { sequence, admittedAt: at, bytes, note, read: () => this.read(sequence) }
    })
  }

  admit({ sequence, admittedAt, note, content }: NewFrame): Promise<void> {
    const record = { at: admittedAt, bytes: content.byteLength, crc: crc32(content), note }
    const key = this.key(sequence)
    this.advance(sequence)
    this.hold(sequence, record)
    this.store.set(key, JSON.stringify(record))
    this.store.setBody(key, content)
    return this.store.written()
  }

  end(sequence: number): void {
    this.advance(sequence)
    const record = this.frames.get(sequence)
    if (record === undefined) return
    this.frames.delete(sequence)
    this.held.bytes -= record.bytes + FRAME_BYTES
    this.store.delete(this.key(sequence))
    this.store.deleteBody(this.key(sequence))
  }

  remember(id: string, seenAt: number): void {
    this.ids.set(id, seenAt)
    this.store.set(this.idKey(id), String(seenAt))
  }

  forget(id: string): void {
    this.ids.delete(id)
    this.store.delete(this.idKey(id))
  }

  /** Takes back all that is written of it; it has no frames. */
  remove(): void {
    for (const id of [...this.ids.keys()]) this.forget(id)
    this.store.delete(keys.next(this.place.pipeline, this.place.stream))
  }

  private advance(sequence: number): void {
    if (sequence < this.next) return
    this.next = sequence + 1
    this.store.set(keys.next(this.place.pipeline, this.place.stream), String(this.next))
  }

  private hold(sequence: number, record: FrameRecord): void {
    this.next = Math.max(this.next, sequence + 1)
    this.frames.set(sequence, record)
    this.held.bytes += record.bytes + FRAME_BYTES
  }

  private async read(sequence: number): Promise<Uint8Array> {
    const content = await this.store.body(this.key(sequence))
    const right = content !== undefined && crc32(content) === this.frames.get(sequence)?.crc
    if (right) return content
    throw corrupt(this.place.path, `frame ${this.place.stream}/${sequence} is not what was written`)
  }

  private parse(text: string): FrameRecord {
    try {
      return FrameRecord.parse(JSON.parse(text))
    } catch (error) {
      throw corrupt(this.place.path, 'a record is none', error)
    }
  }

  private key(sequence: number): string {
    return keys.frame(this.place.pipeline, this.place.stream, sequence)
  }

  private idKey(id: string): string {
    return keys.seen(this.place.pipeline, this.place.stream, id)
  }
}
