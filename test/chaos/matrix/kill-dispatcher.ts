import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { firstValueFrom, type Observable, Subject } from 'rxjs'
import { Checker, type Told } from '../../../actors/bin/chaos/checker.js'
import { Journal } from '../../../actors/journal/index.js'
import { type Plan, type Prediction } from '../../../config/index.js'
import { type FrameIdentity, identityKey } from '../../../core/frame.js'
import { type LedgerEntry } from '../../../core/ledger.js'
import { CliRun, type Ended } from '../../support/cli.js'
import { type FrameRecord, predictionsAmong, recordsIn } from '../../support/frame-records.js'
import { inCheckout } from '../../support/index.js'
import { type LastWords, type ProgramWish } from '../program-wish.js'
import { type Observed } from './cell.js'
import { AFTER_MS, LEAST_FRAMES, PACE } from './cell-stream.js'
import { type Stand } from './stand.js'

const PROGRAM = inCheckout('dist/test/chaos/journalled-program.js')
/** On a life of the program. */
const LIMIT_MS = 180_000

/**
 * The program that holds the dispatcher is killed when its window is full, and started again. Whoever reads what it wrote
 * down, and what its journal had, finds each frame predicted; what was delivered and not recorded as that comes again.
 */
export async function killDispatcher(stand: Stand, stream: string): Promise<Observed> {
  await stand.ready()
  const pipeline = await stand.deploy()
  const plan = await firstValueFrom(pipeline.plan$)
  const folder = await mkdtemp(join(tmpdir(), 'millrace-chaos-'))
  const { seed } = stand
  const { distinct } = stand.wish
  const wish = {
    ...{ url: stand.broker.url, journal: join(folder, 'journal'), record: join(folder, 'record') },
    ...{ pipeline: pipeline.name, stream, seed, distinct },
  }
  try {
    const { fps, at } = await firstLife(wish)
    const before = recordsIn(wish.record)
    const unended = await unendedIn(wish)
    const admitted = before.filter(({ kind }) => kind === 'admitted').length
    const more = Math.max(LEAST_FRAMES - admitted, Math.ceil((PACE * fps * AFTER_MS) / 1_000))
    const { status, stderr } = await run({ ...wish, until: admitted + more, fps: PACE * fps })
    const after = recordsIn(wish.record).slice(before.length)
    const problems = status === 0 ? [] : [`the program that went on ended with ${status}: ${stderr}`]
    return { stage: 0, fps, ...judged(stand, plan, { before, unended, after, at }), problems }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

type Place = Omit<ProgramWish, 'until' | 'fps'>

async function firstLife(wish: Place): Promise<LastWords> {
  const { stdout, stderr } = await run({ ...wish, until: 'full' })
  const last = stdout.trim().split('\n').at(-1) ?? ''
  if (!last.startsWith('{')) throw new Error(`the program ended before its window was full: ${stderr}`)
  return JSON.parse(last) as LastWords
}

async function run(wish: ProgramWish): Promise<Ended> {
  const program = new CliRun([JSON.stringify(wish)], {}, PROGRAM)
  const late = setTimeout(() => program.signal('SIGKILL'), LIMIT_MS)
  const ended = await program.ended
  clearTimeout(late)
  return ended
}

/** The keys of the frames whose end the journal of a dead program does not have. */
async function unendedIn({ journal, pipeline, stream }: Place): Promise<string[]> {
  const copy = `${journal}-copy`
  await cp(journal, copy, { recursive: true })
  const opened = await Journal.open(copy, { maxBytes: Infinity, sync: false, onTrouble: () => undefined })
  const book = opened.lease(pipeline)
  const { kept } = book.stream(stream)
  const keys = kept.map(({ sequence }) => identityKey({ dispatcher: book.id, stream, sequence }))
  await opened.close()
  return keys
}

interface Lives {
  readonly before: readonly FrameRecord[]
  readonly unended: readonly string[]
  readonly after: readonly FrameRecord[]
  /** When the first of them ended. */
  readonly at: number
}

function judged(stand: Stand, { window }: Plan, { before, unended, after, at }: Lives) {
  const told = {
    frames$: new Subject<FrameIdentity>(),
    predictions$: new Subject<Prediction>(),
    ledger$: new Subject<LedgerEntry>(),
  }
  const answer = (sequence: number, version: string) => stand.answer(sequence, version)
  const checker = new Checker(told, answer, undefined, stand.tolerance)
  for (const record of before) tell(told, record)
  const underWay = [...checker.open.keys()]
  checker.restarted(unended)
  for (const record of after) tell(told, record)
  checker.close()
  const again = new Set(predictionsAmong(after).map(identityKey))
  const resumed = after.find(({ kind }) => kind === 'predicted')
  return {
    ...checker.verdict(),
    ...{ underWay: underWay.length, window, replayed: underWay.filter(key => again.has(key)).length },
    ...{ detectMs: undefined, resumeMs: resumed === undefined ? undefined : resumed.at - at },
  }
}

type Telling = { readonly [K in keyof Told]: Subject<Told[K] extends Observable<infer T> ? T : never> }

function tell({ frames$, predictions$, ledger$ }: Telling, record: FrameRecord): void {
  if (record.kind === 'admitted') frames$.next(record.frame)
  else if (record.kind === 'predicted') predictions$.next(record.prediction)
  else ledger$.next(record.entry)
}
