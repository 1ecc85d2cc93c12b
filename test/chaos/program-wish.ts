/** What `journalled-program.js` is to do, as JSON in its only argument. */
export interface ProgramWish {
  /** Of the broker. */
  readonly url: string
  /** Folders and files that outlive it. */
  readonly journal: string
  readonly record: string
  readonly pipeline: string
  readonly stream: string
  /** Of the synthetic frames, and how many of them differ. */
  readonly seed: number
  readonly distinct: number
  /** Frames in all its lives; or that it kills itself as soon as its window is full, some time after it has measured itself. */
  readonly until: number | 'full'
  /** Frames a second at most; left out: as many as are pulled. */
  readonly fps?: number
}

/** The last line that it prints before it kills itself. */
export interface LastWords {
  /** What the pipeline can do. */
  readonly fps: number
  /** When: ms since the Unix epoch. */
  readonly at: number
}
