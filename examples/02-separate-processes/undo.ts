const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const

/** What is to be stopped and removed before the program ends, newest first; also where a signal ends it. */
export class Undo {
  private readonly steps: (() => Promise<unknown>)[] = []
  private running: Promise<void> | undefined

  constructor() {
    // Not once: under `npm run` one Ctrl-C comes twice.
    for (const [name, number] of Object.entries(SIGNALS)) {
      process.on(name, () => void this.run().then(() => process.exit(128 + number)))
    }
  }

  /** @throws once everything is being undone: then the step is taken at once */
  add(step: () => Promise<unknown>): void {
    if (this.running === undefined) {
      this.steps.push(step)
    } else {
      void attempt(step)
      throw new Error('interrupted')
    }
  }

  /** Takes all steps; one that fails does not keep the next from being taken. */
  run(): Promise<void> {
    this.running ??= this.takeAll()
    return this.running
  }

  private async takeAll(): Promise<void> {
    for (const step of this.steps.reverse()) await attempt(step)
  }
}

async function attempt(step: () => Promise<unknown>): Promise<void> {
  await step().catch((error: unknown) => console.error(error))
}
