import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { filter, firstValueFrom, type Observable, skip } from 'rxjs'
import {
  type Cluster,
  connect,
  type LedgerEntry,
  type Pipeline,
  type PipelineStatus,
  type Plan,
  type Prediction,
  relativeError,
} from 'millrace'
import { type FaultInjector, faultsOf, type Injected } from 'millrace/faults'
import { openSession } from 'millrace/session'
import { Undo } from '../02-separate-processes/undo.js'
import { type Digit, MODEL, readDigits, toTensor } from '../digits/digits.js'

/** What `npx millrace` runs; without npx in between, signals reach it. */
const MILLRACE = fileURLToPath(new URL('../../actors/bin/millrace.js', import.meta.url))
const EVERY_MS = 20
/** The only stream. */
export const STREAM = 'camera'

/** A cluster that may be harmed, a stream of images through it, and what is seen of them. */
export class Scene {
  readonly inject: FaultInjector
  private readonly entries: LedgerEntry[] = []
  private readonly given: Prediction[] = []
  private shown = 0
  private stopping = false
  private readonly streamed: Promise<void>

  constructor(
    readonly cluster: Cluster,
    readonly pipeline: Pipeline,
    private readonly digits: readonly Digit[],
  ) {
    this.inject = faultsOf(cluster, pipeline)
    pipeline.ledger$.subscribe(entry => this.entries.push(entry))
    this.streamed = new Promise((resolve, reject) => {
      const frames = pipeline.pull(this.images()).pipe(pipeline.infer({ stream: STREAM }))
      frames.subscribe({ next: one => this.given.push(one), error: reject, complete: resolve })
    })
    this.streamed.catch(() => undefined)
  }

  /** The number of the next image. */
  get next(): number {
    return this.shown
  }

  /** Resolves when so many more predictions have come. */
  async predictions(count: number): Promise<void> {
    await firstValueFrom(this.pipeline.predictions$.pipe(skip(count - 1)))
  }

  /** The next time that the supervisor says that something is wrong. */
  degraded(): Promise<PipelineStatus> {
    return later(this.pipeline.status$.pipe(filter(({ state }) => state === 'degraded')))
  }

  /** The next plan. */
  replanned(): Promise<Plan> {
    return later(this.pipeline.plan$.pipe(skip(1)))
  }

  /** The first prediction of an image that was shown after this call. */
  resumed(): Promise<Prediction> {
    const { shown } = this
    return later(this.pipeline.predictions$.pipe(filter(({ sequence }) => sequence >= shown)))
  }

  /** Stops the stream, lets every frame end, and holds each to the uncut model. @returns the frames that failed */
  async end(): Promise<LedgerEntry[]> {
    this.stopping = true
    await this.streamed
    const { admitted, predicted, failed, dropped, duplicates } = this.pipeline.counts()
    const wrong = await this.wrong()
    console.log(
      `ledger: ${admitted} admitted, ${predicted} predicted, ${failed} failed, ${dropped} dropped; ` +
        `${duplicates} results came twice and counted once; ${wrong} differ from the uncut model`,
    )
    // Each frame ended, and once; predictions are in order, and none is there twice.
    assert.deepEqual(
      this.entries.map(({ sequence }) => sequence).sort((a, b) => a - b),
      Array.from({ length: admitted }, (_, i) => i),
    )
    assert(this.given.every(({ sequence }, i) => sequence > (this.given[i - 1]?.sequence ?? -1)))
    assert.equal(this.given.length, predicted)
    assert.equal(wrong, 0)
    return this.entries.filter(({ end }) => end !== 'predicted')
  }

  private async *images() {
    while (!this.stopping) {
      await wait(EVERY_MS)
      yield toTensor(this.digit(this.shown++))
    }
  }

  private digit(sequence: number): Digit {
    const digit = this.digits[sequence % this.digits.length]
    assert(digit)
    return digit
  }

  private async wrong(): Promise<number> {
    const session = await openSession(MODEL)
    let wrong = 0
    for (const { sequence, outputs } of this.given) {
      const expected = await session.run({ image: toTensor(this.digit(sequence)) })
      if (!(relativeError(outputs, expected) <= 1e-4)) wrong++
    }
    await session.release()
    return wrong
  }
}

/** Milliseconds since a fault, for people. */
export function after({ at }: Injected): string {
  return `after ${Math.max(0, Date.now() - at)} ms`
}

/** @returns stages and their workers, in words */
export function placesOf({ stages }: Plan): string {
  return stages.map(({ stage, worker }) => `stage ${stage} on ${worker}`).join(', ')
}

/** Starts a cluster of processes that obey orders to fail, plays the act, and stops everything. */
export async function play(act: (scene: Scene) => Promise<void>): Promise<void> {
  const undo = new Undo()
  try {
    const cluster = await connect(await startCluster(undo))
    undo.add(() => cluster.close())
    const pipeline = await cluster.deploy(MODEL, { partitions: 3 })
    console.log(`three partitions on four workers: ${placesOf(await firstValueFrom(pipeline.plan$))}`)
    await act(new Scene(cluster, pipeline, await readDigits()))
  } finally {
    await undo.run()
  }
  // An unreferenced timer keeps no process alive: it fires only where something else does.
  setTimeout(() => assert.fail(`still open: ${process.getActiveResourcesInfo().join(', ')}`), 5_000).unref()
}

/** @returns the URL of its broker */
async function startCluster(undo: Undo): Promise<string> {
  const args = ['up', '--port', '0', '--workers', '4', '--allow-faults', '--json']
  const up = fork(MILLRACE, args, { stdio: ['ignore', 'pipe', 'ignore', 'ipc'], detached: true })
  undo.add(async () => {
    if (up.exitCode === null && up.kill()) await once(up, 'exit')
  })
  assert(up.stdout)
  const [line] = (await once(createInterface(up.stdout), 'line')) as [string]
  return (JSON.parse(line) as { broker: string }).broker
}

/** Asked for before the fault, awaited after it. */
function later<T>(source: Observable<T>): Promise<T> {
  const promise = firstValueFrom(source)
  promise.catch(() => undefined)
  return promise
}
