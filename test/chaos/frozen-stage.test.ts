import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { firstValueFrom, interval, map, type Observable, skip, takeWhile, timeout } from 'rxjs'
import { type Pipeline, type Prediction } from '../../config/index.js'
import { relativeError } from '../../core/compare.js'
import { type Plan } from '../../core/control/index.js'
import { type Tensors } from '../../core/tensor.js'
import { adder, inTurns, row } from '../support/actors.js'
import { answersOf } from '../support/answers.js'
import { Beats } from '../support/beats.js'
import { Account, Feed, pulledFrames } from '../support/feed.js'
import { LARGE_FRAME_BYTES, largeContents, largeFrame, wideModel } from '../support/large-frames.js'
import { memoryOf } from '../support/memory.js'
import { type ProcessCluster, processCluster } from '../support/process-cluster.js'

const FREEZE_S = Number(process.env['MILLRACE_FREEZE_SECONDS'] ?? 8)
const SETTLE_S = 2
const LIMIT_MS = 60_000
/** A worker that is silent for longer may be judged lost. */
const MOST_SILENT_MS = 2_000
/** Longer than the freeze and all that waited meanwhile. */
const DEADLINE_MS = FREEZE_S * 1_000 + LIMIT_MS
const WORKERS = ['w1', 'w2', 'w3']
const MIB = 2 ** 20
/** What any process may grow by during the freeze: what garbage collection leaves to chance. */
const GROWTH_MIB = 48
const PUSH_EVERY_MS = 20

const contents = largeContents(8)

function contentOf(sequence: number): Tensors {
  return largeFrame(contents[sequence % contents.length] ?? new Float32Array())
}

type Source = (pipeline: Pipeline, next: () => Tensors | undefined) => Observable<Prediction>

/** As fast as it is pulled. */
const pulled: Source = (pipeline, next) => pulledFrames(pipeline, next, DEADLINE_MS)

/** As a camera does it. */
const pushed: Source = (pipeline, next) =>
  interval(PUSH_EVERY_MS).pipe(
    map(next),
    takeWhile(frame => frame !== undefined),
    pipeline.infer({ stream: 'a', deadlineMs: DEADLINE_MS, delivery: 'freshest' }),
  )

async function setting(t: ExecutionContext): Promise<ProcessCluster & { readonly beats: Beats }> {
  t.timeout(DEADLINE_MS + 3 * LIMIT_MS)
  const opened = await processCluster(WORKERS, act => t.teardown(act))
  return { ...opened, beats: await Beats.listen(opened.cluster) }
}

async function more(pipeline: Pipeline, count: number): Promise<void> {
  await firstValueFrom(pipeline.predictions$.pipe(skip(count - 1), timeout(LIMIT_MS)))
}

/** Each frame ended once, and predictions are in order, right, and none is there twice. */
async function checkFrames(
  t: ExecutionContext,
  pipeline: Pipeline,
  { entries, given }: Account,
): Promise<void> {
  const { admitted, predicted, dropped, failed } = pipeline.counts()
  t.log(`${admitted} admitted, ${predicted} predicted, ${dropped} dropped, ${failed} failed`)
  t.deepEqual(
    entries.map(({ sequence }) => sequence).sort((a, b) => a - b),
    Array.from({ length: admitted }, (_, i) => i),
  )
  t.is(given.length, predicted)
  t.true(given.every(({ sequence }, i) => sequence > (given[i - 1]?.sequence ?? -1)))
  const expected = await answersOf(
    wideModel(),
    contents.map((_, i) => contentOf(i)),
  )
  const errors = given.map(({ sequence, outputs }) =>
    relativeError(outputs, expected[sequence % expected.length] ?? {}),
  )
  t.true(Math.max(...errors) <= 1e-4)
  t.is(failed, 0, 'a process that only slept lost frames')
}

async function freezeLastStage(
  t: ExecutionContext,
  links: 'auto' | 'broker',
  source: Source,
  leastMade = 0,
): Promise<{ during: number; window: number; feed: Feed }> {
  const { cluster, members, processes, beats } = await setting(t)
  const a = await cluster.deploy(wideModel(), { name: 'a', partitions: 3, links })
  const b = await cluster.deploy(adder(1), { name: 'b', partitions: 1 })
  cluster.trouble$.subscribe(({ code, message }) => t.log(`${code}: ${message}`))
  const [planA, planB]: [Plan, Plan] = [await firstValueFrom(a.plan$), await firstValueFrom(b.plan$)]
  const frozen = planA.stages.at(-1)?.worker ?? ''
  t.deepEqual(planA.stages.map(({ worker }) => worker).sort(), WORKERS)
  t.not(planB.stages[0]?.worker, frozen)
  const states: string[] = []
  for (const one of [a, b])
    one.status$.subscribe(({ state, pipeline }) => states.push(`${pipeline} ${state}`))

  const account = new Account(a)
  const feed = new Feed(a, contentOf, next => source(a, next))
  const other = new Feed(
    b,
    i => ({ x: row(i % 100, 1) }),
    next => pulled(b, next),
  )
  await more(a, 20)
  const [madeBefore, startedAt] = [feed.made, performance.now()]
  await more(a, 60)
  const perSecond = (1_000 * (feed.made - madeBefore)) / (performance.now() - startedAt)

  members.signalRuntime(frozen, 'SIGSTOP')
  const [made, predictedOfB] = [feed.made, b.counts().predicted]
  await setTimeout(SETTLE_S * 1_000)
  const early = memoryOf(processes())
  await setTimeout((FREEZE_S - SETTLE_S) * 1_000)
  // A source that nobody holds back makes them as fast as the machine lets it.
  await inTurns(() => feed.made - made >= leastMade)
  const late = memoryOf(processes())
  const during = feed.made - made
  const duringOfB = b.counts().predicted - predictedOfB
  members.signalRuntime(frozen, 'SIGCONT')

  const unbounded = Math.round((perSecond * FREEZE_S * LARGE_FRAME_BYTES) / MIB)
  t.log(
    `${FREEZE_S} s: ${during} frames of A, ${duringOfB} predictions of B; unbounded, ${unbounded} MiB more`,
  )
  checkMemory(t, early, late)
  const silences = [...beats.longestSilences()].sort()
  t.log(`silent at most: ${silences.map(([worker, ms]) => `${worker} ${ms.toFixed()} ms`).join(', ')}`)
  t.deepEqual(
    silences.map(([worker]) => worker),
    WORKERS,
  )
  t.true(silences.every(([, ms]) => ms < MOST_SILENT_MS))
  t.true(duringOfB > 10 * FREEZE_S, `${duringOfB} predictions of the other pipeline`)
  await more(a, 60)
  await Promise.all([feed.stop(), other.stop()])
  t.deepEqual(states, ['a ready', 'b ready'])
  t.is(b.counts().predicted, other.made)
  await checkFrames(t, a, account)
  return { during, window: planA.window, feed }
}

function checkMemory(t: ExecutionContext, early: Map<string, number>, late: Map<string, number>): void {
  for (const [name, before] of early) {
    const after = late.get(name) ?? NaN
    t.log(`${name}: ${before.toFixed()} MiB after ${SETTLE_S} s, ${after.toFixed()} at the end`)
    t.true(after - before < GROWTH_MIB, `${name} grew from ${before} to ${after} MiB`)
  }
}

for (const links of ['auto', 'broker'] as const) {
  test.serial(
    `a frozen last stage, links: ${links} - holds the source back; the rest goes on, and nothing is lost`,
    async t => {
      const { during, window, feed } = await freezeLastStage(t, links, pulled)
      t.true(during <= window, `${during} frames were pulled during the freeze`)
      t.true(feed.mostUnderWay <= window, `${feed.mostUnderWay} frames under way`)
      t.is(feed.pipeline.counts().dropped, 0)
    },
  )
}

test.serial(
  'a frozen last stage - a stream that cannot be held back drops frames, and nothing grows',
  async t => {
    const tooMany = Math.ceil((3 * GROWTH_MIB * MIB) / LARGE_FRAME_BYTES)
    const { during, window, feed } = await freezeLastStage(t, 'auto', pushed, tooMany)
    t.true(feed.pipeline.counts().dropped >= during - window)
  },
)
