import { basename } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { firstValueFrom } from 'rxjs'
import { z } from 'zod'
import { type Cluster } from '../../../config/cluster.js'
import { connectOptions } from '../../../config/connect-options.js'
import { busOpener, openCluster } from '../../../config/connect.js'
import { faultsOf, type StageChoice } from '../../../config/faults.js'
import { openModel } from '../../../config/model-source.js'
import { type Pipeline } from '../../../config/pipeline.js'
import { defineOptions, type Options, parseOptions } from '../../../core/options.js'
import { cutCandidates } from '../../../core/planner/index.js'
import { type Random, randomOf } from '../../../core/synthetic/index.js'
import { storeOptions } from '../../model-store/index.js'
import { deployOptions } from '../../supervisor/index.js'
import { knownAnswers } from '../chaos/answers.js'
import { isClean } from '../chaos/checker.js'
import { FAULT_NAMES, type FaultName, kindOf, signsOf } from '../chaos/fault-kinds.js'
import { Recovery } from '../chaos/recovery.js'
import { ChaosStream } from '../chaos/stream.js'
import { type Suffered, sufferedText, summaryText } from '../chaos/text.js'
import { defineCommand, onlyArgument } from '../cli/command.js'
import { OwnBroker, startMembers } from '../cli/local-cluster.js'
import { type Session } from '../cli/session.js'
import { startBrokerFaults } from '../faults/broker-faults.js'

const options = defineOptions({
  workers: {
    check: z.coerce.number().int().min(2).max(100),
    default: 4,
    value: 'N',
    doc: 'Workers to start.',
  },
  partitions: {
    check: z.coerce.number().int().min(1),
    value: 'N',
    doc: 'Partitions; left out, one fewer than workers, so that one is spare.',
  },
  fault: {
    check: faultList(),
    default: ['kill', 'stall', 'silence', 'corrupt'] as FaultName[],
    value: 'FAULT[,FAULT]',
    doc: `Faults to choose from: ${FAULT_NAMES.map(name => `\`${name}\``).join(', ')}. \`restart-broker\` stands alone: a broker that has forgotten the pipeline has nobody mend it.`,
  },
  stage: {
    check: z.enum(['any', 'first', 'middle', 'last']),
    default: 'any',
    value: 'any|first|middle|last',
    doc: 'The stage that they strike; `any`: another each time.',
  },
  seed: {
    check: z.coerce.number().int().min(0),
    default: 1,
    value: 'N',
    doc: 'Decides which fault strikes which stage, and what the frames are.',
  },
  minutes: {
    check: z.coerce.number().min(0).max(10_000),
    default: 1,
    value: 'N',
    doc: 'How long; at least one fault strikes.',
  },
  window: deployOptions.window,
})

type ChaosOptions = Options<typeof options>

const DISTINCT_FRAMES = 40
const MEASURED_FRAMES = 60
const BETWEEN_MS = 2_000
/** Longer than a frame's deadline. */
const LIMIT_MS = 45_000
const PLACES = ['first', 'middle', 'last'] as const

export const chaosCommand = defineCommand({
  name: 'chaos',
  arguments: '<model>',
  summary: 'Start a cluster on this machine, stream frames, let parts of it fail, and check every frame.',
  options,
  async run(session, given, args) {
    const model = onlyArgument(args, 'the model')
    const partitions = given.partitions ?? given.workers - 1
    const { graph } = await openModel(model)
    cutCandidates(graph, partitions)
    const { seed, workers, minutes } = given
    const known = await session.untilStopped(knownAnswers(model, graph.inputs, seed, DISTINCT_FRAMES))
    const cluster = await startCluster(session, given)
    session.say(`deploying ${basename(model)} in ${partitions} partitions on ${workers} workers ...`)
    const wish = { partitions, window: given.window, replicas: false }
    const pipeline = await session.untilStopped(cluster.deploy(model, wish))
    const stream = new ChaosStream(pipeline, known)
    const fps = await session.untilStopped(stream.measure(MEASURED_FRAMES))
    session.say(`${fps.toFixed()} predictions a second; going on with 70 % of that`)
    const faults = await session.untilStopped(strikeAgain(session, cluster, pipeline, stream, given))
    const frames = await session.untilStopped(stream.end(LIMIT_MS))
    session.print(summaryText(frames), { seed, model: basename(model), minutes, fps, frames, faults })
    if (!isClean(frames)) session.status = 1
  },
})

/** @throws through the option table: a name that is no fault */
function faultList() {
  const names = z.array(z.enum(FAULT_NAMES)).min(1)
  const alone = (list: readonly FaultName[]) => list.length === 1 || !list.includes('restart-broker')
  const listed = names.refine(alone, 'restart-broker stands alone')
  return z.preprocess(value => (typeof value === 'string' ? value.split(',') : value), listed)
}

async function startCluster(session: Session, { workers }: ChaosOptions): Promise<Cluster> {
  const connection = parseOptions(connectOptions, {}, 'chaos')
  const own = await OwnBroker.start(session, { port: 0 })
  const { root } = connection
  await startBrokerFaults(session, { broker: own, root })
  const cluster = await openCluster(busOpener(own.url, connection), connection, session.cleanup)
  const cacheLimitMib = storeOptions.cacheLimitMib.default
  const members = { broker: own.url, workers, connection: ['--root', root], keep: true, cacheLimitMib }
  await startMembers(session, { ...members, allowFaults: true })
  return cluster
}

/** Lets one fault after the other happen, for so long as was asked for. */
async function strikeAgain(
  session: Session,
  cluster: Cluster,
  pipeline: Pipeline,
  stream: ChaosStream,
  { fault, stage, seed, minutes }: ChaosOptions,
): Promise<Suffered[]> {
  const random = randomOf('chaos', seed)
  const suffered: Suffered[] = []
  const until = performance.now() + 60_000 * minutes
  do {
    const name = pick(random, fault)
    const place = stage === 'any' ? pick(random, PLACES) : stage
    const one = await strike(cluster, pipeline, stream, name, place)
    suffered.push(one)
    session.say(sufferedText(one))
    await setTimeout(BETWEEN_MS)
  } while (performance.now() < until && !session.signal.aborted)
  return suffered
}

async function strike(
  cluster: Cluster,
  pipeline: Pipeline,
  stream: ChaosStream,
  fault: FaultName,
  stage: StageChoice,
): Promise<Suffered> {
  const { epoch } = await firstValueFrom(pipeline.plan$)
  const soon = fault === 'poison' ? stream.poison() : 0
  const target = { inject: faultsOf(cluster, pipeline), stage, soon }
  const kind = kindOf(fault)
  const recovery = new Recovery(pipeline, epoch, signsOf(fault, cluster))
  const injected = await kind.inject(target)
  if (fault === 'poison') await stream.reaches(soon)
  // From the moment in which it was confirmed, which is that in which it happens.
  recovery.strike()
  await setTimeout(kind.ms ?? 0)
  await kind.end?.(target)
  await Promise.race([recovery.resumed, setTimeout(LIMIT_MS, undefined, { ref: false })])
  recovery.close()
  return { fault, stage: injected.stage, worker: injected.worker, ...recovery.times() }
}

function pick<T>(random: Random, list: readonly T[]): T {
  const one = list[random.below(list.length)]
  if (one === undefined) throw new RangeError('there is nothing to choose from')
  return one
}
