import { readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { MultiBar, Presets } from 'cli-progress'
import { z } from 'zod'
import { type Cluster } from '../../../config/cluster.js'
import { connectOptions } from '../../../config/connect-options.js'
import { openCluster } from '../../../config/connect.js'
import { temporaryFolder } from '../../../config/hosts.js'
import { openModel } from '../../../config/model-source.js'
import { type Pipeline } from '../../../config/pipeline.js'
import { TOLERANCES } from '../../../core/compare.js'
import { MillraceError } from '../../../core/errors.js'
import { defineOptions, type Options, parseOptions } from '../../../core/options.js'
import { cutCandidates } from '../../../core/planner/index.js'
import { pixelScalings, scaledPixels } from '../../../core/sensing/index.js'
import { randomWeights } from '../../../core/synthetic/index.js'
import { checkFrame, inferOptions } from '../../dispatcher/index.js'
import { ThreadedSession } from '../../session/index.js'
import { storeOptions } from '../../model-store/index.js'
import { coarsestOf, type Wire } from '../../../core/wire.js'
import { deployOptions, type DeployOptionsInput } from '../../supervisor/index.js'
import { defineCommand, onlyArgument } from '../cli/command.js'
import { connectionOf, openerOf } from '../cli/connection.js'
import { currentPlan } from '../cli/current-plan.js'
import { warnOfFallbacks } from '../cli/fallbacks.js'
import { datasetSource, type FrameSource, syntheticSource } from '../cli/input.js'
import { startMembers, startOwnBroker } from '../cli/local-cluster.js'
import { freshId } from '../cli/names.js'
import { findPlaces, reachOf, workerCount, workerOption } from '../cli/places.js'
import { type Session } from '../cli/session.js'
import { streamThrough, type StreamResult } from '../run/stream.js'
import { summarise, summaryText } from '../run/summary.js'
import { verify, type Verification } from '../run/verify.js'

const options = defineOptions({
  ...workerOption,
  partitions: deployOptions.partitions,
  cuts: deployOptions.cuts,
  memoryMib: deployOptions.memoryMib,
  replicas: deployOptions.replicas,
  frames: {
    check: z.coerce.number().int().min(1),
    value: 'N',
    doc: 'Frames to stream; left out, all of the dataset, or 40.',
  },
  dataset: {
    check: z.string().min(1),
    value: 'FILE',
    doc: 'Dataset description with the frames and labels; left out, up to 32 frames are made at random, and repeated.',
  },
  seed: {
    check: z.coerce.number().int().min(0),
    default: 1,
    value: 'N',
    doc: 'Seed of the frames made at random.',
  },
  randomWeights: {
    check: z.coerce.number().int().min(0),
    value: 'SEED',
    doc: 'Replace constant weights by He-initialised random ones.',
  },
  verify: {
    check: z.coerce.number().int().min(0),
    default: 20,
    value: 'N',
    doc: 'Frames whose predictions are compared with the uncut model; 0 for none.',
  },
  broker: {
    check: z.string().min(1),
    value: 'URL',
    doc: 'Use this broker, under a root topic of its own; left out, one is started.',
  },
  ...connectOptions,
  root: {
    check: z.string(),
    value: 'TOPIC',
    doc: 'Topic under which all messages are; left out, one of its own.',
  },
  window: deployOptions.window,
  lz4: deployOptions.lz4,
  wire: deployOptions.wire,
  wireError: deployOptions.wireError,
  calibration: deployOptions.calibration,
  input: deployOptions.input,
  links: deployOptions.links,
  deadlineMs: inferOptions.deadlineMs,
  deployTimeoutMs: deployOptions.deployTimeoutMs,
  cacheLimitMib: storeOptions.cacheLimitMib,
})

type RunOptions = Options<typeof options>

export const runCommand = defineCommand({
  name: 'run',
  arguments: '<model>',
  summary: 'Start a cluster on this machine, stream frames through a model, check the answers, and stop.',
  options,
  async run(session, given, args) {
    // What is wrong with the model or the frames is said before anything is started for them.
    const title = onlyArgument(args, 'the model')
    const { graph } = await openModel(title, given.input)
    cutCandidates(graph, given.partitions ?? 1)
    const dataset = given.dataset === undefined ? undefined : await datasetSource(given.dataset, given.frames)
    if (dataset !== undefined) checkFrame(dataset.frame(0), graph.inputs)
    const model = await prepareModelFile(session, title, given)
    const { cluster, workers } = await startCluster(session, given)
    session.say(`deploying ${basename(title)} on a cluster of ${workers} workers ...`)
    const { links } = given
    const pipeline = await session.untilStopped(
      cluster.deploy(model, parseOptions(deployOptions, deploymentOf(given), 'run')),
    )
    const plan = await currentPlan(pipeline)
    const used = coarsestOf(plan.stages.map(stage => stage.wire))
    warnOfFallbacks(session, plan, links)
    const source = dataset ?? (await syntheticSource(plan.inputs, given.seed, given.frames ?? DEFAULT_FRAMES))
    const stream = await streamWithProgress(session, pipeline, source, given)
    const counts = pipeline.counts()
    const verification = await session.untilStopped(check(model, stream, used, given.input))
    const summary = summarise(plan, counts, stream, verification, source.labelOutput !== undefined)
    session.print(summaryText(plan, summary), summary)
    judge(stream, verification, counts.admitted, used)
  },
})

const DEFAULT_FRAMES = 40

/** The model's path; with random weights, that of a changed copy. */
async function prepareModelFile(
  session: Session,
  path: string,
  { randomWeights: seed }: RunOptions,
): Promise<string> {
  if (seed === undefined) return path
  const bytes = await readFile(path)
  const renewed = randomWeights(bytes, seed)
  if (renewed === bytes) {
    session.say(`${basename(path)} has weights of its own that differ: they are kept`)
    return path
  }
  const changed = join(await temporaryFolder('model', session.cleanup), basename(path))
  await writeFile(changed, renewed)
  return changed
}

function deploymentOf(given: RunOptions): DeployOptionsInput {
  const { partitions, cuts, memoryMib, replicas, window, lz4, wire, wireError, input, links } = given
  const { calibration, deployTimeoutMs } = given
  return {
    ...{ partitions, cuts, memoryMib, replicas, window, lz4, wire, wireError, input, links },
    ...{ calibration, deployTimeoutMs },
  }
}

/** A cluster under a root of its own, so that it meets no other on a broker that others use. */
async function startCluster(
  session: Session,
  given: RunOptions,
): Promise<{ cluster: Cluster; workers: number }> {
  const places = await findPlaces()
  const workers = workerCount(given.workers, places)
  const root = given.root ?? `millrace/${freshId('run')}`
  const reach = reachOf(places)
  const broker = given.broker ?? (await startOwnBroker(session, { ...reach, port: 0 }))
  const [own] = given.broker === undefined ? reach.users : []
  const { username, password } = own === undefined ? given : { username: own.name, password: own.password }
  const connection = { ...given, broker, root, username, password }
  const cluster = await openCluster(openerOf(connection), connectionOf(connection), session.cleanup)
  if (given.broker !== undefined) session.cleanup.defer('clearing the broker', () => cluster.clear())
  const options = ['--root', root, ...(username === undefined ? [] : ['--username', username])]
  const { cacheLimitMib } = given
  const wish = { broker, workers, password, places, connection: options, keep: false, cacheLimitMib }
  await startMembers(session, wish)
  cluster.trouble$.subscribe(session.warn)
  return { cluster, workers }
}

async function streamWithProgress(
  session: Session,
  pipeline: Pipeline,
  source: FrameSource,
  given: RunOptions,
): Promise<StreamResult> {
  const shown = !session.json && process.stderr.isTTY
  const bars = new MultiBar(
    { format: '{bar} {value}/{total} frames, {fps} fps', noTTYOutput: false },
    Presets.rect,
  )
  const bar = shown ? bars.create(source.count, 0, { fps: 0 }) : undefined
  try {
    return await streamThrough(pipeline, {
      source,
      keep: given.verify,
      deadlineMs: given.deadlineMs,
      onPrediction: (count, fps) => bar?.update(count, { fps: fps.toFixed(1) }),
      signal: session.signal,
    })
  } finally {
    bars.stop()
  }
}

/** Against the model as it is in its file: what that takes as floats is scaled here. */
async function check(
  model: string,
  { kept }: StreamResult,
  wire: Wire,
  input: RunOptions['input'],
): Promise<Verification> {
  if (kept.length < 2) return { checked: 0, refused: 'fewer than two frames were to be compared' }
  const { graph } = await openModel(model)
  const scalings = input === undefined ? new Map<string, never>() : pixelScalings(graph.inputs, input)
  const frames = kept.map(({ tensors, outputs }) => ({ tensors: scaledPixels(tensors, scalings), outputs }))
  const reference = await ThreadedSession.open({ model })
  try {
    return await verify(reference, frames, wire)
  } finally {
    await reference.close()
  }
}

/** @throws when a frame was lost or an answer is wrong: a run that ends so has failed */
function judge(stream: StreamResult, verification: Verification, admitted: number, wire: Wire): void {
  const tolerance = TOLERANCES[wire]
  const { firstFailure } = stream
  if (firstFailure?.end === 'failed') throw MillraceError.fromInfo(firstFailure.error)
  if (stream.predicted < admitted) throw new MillraceError('INTERNAL', 'frames ended without a prediction')
  if ('maxRelativeError' in verification && !(verification.maxRelativeError <= tolerance)) {
    const { maxRelativeError } = verification
    throw new MillraceError(
      'VERIFY_FAILED',
      `the largest relative error is ${maxRelativeError}, above ${tolerance}${wire === 'f32' ? '' : `; with wire ${wire}, try f32`}`,
    )
  }
}
