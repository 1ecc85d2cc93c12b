/** A frame that was admitted and has not ended, as a journal has it. */
export interface KeptFrame {
  readonly sequence: number
  /** ms since the Unix epoch. */
  readonly admittedAt: number
  /** Length of its content. */
  readonly bytes: number
  /** What its writer wants to know before it reads the content. */
  readonly note: string
  /** @throws JOURNAL_CORRUPT, JOURNAL_FAILED */
  read(): Promise<Uint8Array>
}

export interface NewFrame {
  readonly sequence: number
  readonly admittedAt: number
  readonly note: string
  /** Not to be written to until it is admitted. */
  readonly content: Uint8Array
}

/** What a journal has of one stream. */
export interface StreamJournal {
  /** Frames of a life before that had not ended, in the order of their sequence. */
  readonly kept: readonly KeptFrame[]
  /** The first sequence number that no frame has had. */
  readonly nextSequence: number
  /** What writing has failed with; from then on nothing is written. */
  readonly failure: Error | undefined
  /** Resolves when it is on disk; calls resolve in their order. @throws JOURNAL_FAILED */
  admit(frame: NewFrame): Promise<void>
  /** The frame has ended, or its number is used up without it; it is written some time soon. */
  end(sequence: number): void
  /** Ids of its frames that a sensor gave them, and when each was seen, in ms since the Unix epoch. */
  readonly ids: ReadonlyMap<string, number>
  /** Written together with the next frame that is admitted or ends. */
  remember(id: string, seenAt: number): void
  forget(id: string): void
}

/** A journal, as those see it that admit frames. */
export interface FrameJournal {
  /** What it has of a pipeline, for one dispatcher. @throws JOURNAL_IN_USE: another one has it */
  lease(pipeline: string): DispatcherJournal
  /** Resolves when all that was handed over so far is on disk. @throws JOURNAL_FAILED */
  written(): Promise<void>
}

/** What a journal has of one pipeline's frames: it outlives the dispatcher that admits them. */
export interface DispatcherJournal {
  /** Of each dispatcher that has it, one after the other. */
  readonly id: string
  /** Whether further frames may be admitted. */
  readonly hasRoom: boolean
  /** Streams with frames that have not ended. */
  readonly unfinished: readonly string[]
  /** The first sequence number that no frame of a stream has had. */
  nextOf(stream: string): number
  stream(name: string): StreamJournal
  /** Lets the next dispatcher have it. */
  release(): void
}
