import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { filter, firstValueFrom, ReplaySubject, skip, Subject, take, timeout } from 'rxjs'
import { type FaultInjector, faultsOf } from '../../../config/faults.js'
import { type Pipeline } from '../../../config/index.js'
import { Beat, decodeControl, Leader, type Plan } from '../../../core/control/index.js'
import { inCheckout } from '../../support/index.js'
import { reweighted } from '../../support/reweighted.js'
import { type Scene, type Strike } from './cell.js'
import { pidsOf, signalAll } from './processes.js'
import { type Stand } from './stand.js'

const LIMIT_MS = 60_000
/** Workers before another joins: on a machine of two cores, more are worth little. */
const FEW = 1
const SLOWER = 5
const SLOW_MS = 3_000
const DAMAGED_SHARE = 0.05
const FRAMES_AT_FAULT = 150
/** Comes soon after the stream has been measured. */
const POISONOUS_FRAME = 180
/** A model whose weights are so many times as large answers otherwise, and so does each of its parts; over lossy wires clearly so. */
const REWEIGHTED = { f32: 1.05, lossy: 2 }
/** Longer than anybody may take to find another way. */
const BROKEN_MS = 20_000

/** The dispatcher's own connection broke. */
function disconnections({ stand }: Scene) {
  return stand.cluster.control.state$.pipe(filter(state => state === 'disconnected'))
}

/** A plan without the worker is in force. */
async function movedFrom({ pipeline, worker }: Scene): Promise<void> {
  const moved = pipeline.plan$.pipe(filter(({ stages }) => stages.every(one => one.worker !== worker)))
  await firstValueFrom(moved.pipe(timeout(LIMIT_MS)))
}

/** A machine that loses its power: agent and runtime at once. */
export async function killWorker(scene: Scene): Promise<Strike> {
  const pids = pidsOf(scene, scene.worker)
  return { now: () => void signalAll(pids, 'SIGKILL') }
}

export async function killRuntime(scene: Scene): Promise<Strike> {
  const [runtime = 0] = pidsOf(scene, scene.worker)
  return { now: () => void signalAll([runtime], 'SIGKILL') }
}

/** A machine that sleeps, and wakes when others have its work. */
export async function stopWorker(scene: Scene): Promise<Strike> {
  const pids = pidsOf(scene, scene.worker)
  return {
    now: () => void signalAll(pids, 'SIGSTOP'),
    later: async () => {
      await movedFrom(scene)
      signalAll(pids, 'SIGCONT')
    },
  }
}

/** A process that sleeps and is not waited for: its agent kills it. */
export async function stopRuntime(scene: Scene): Promise<Strike> {
  const [runtime = 0] = pidsOf(scene, scene.worker)
  return { now: () => void signalAll([runtime], 'SIGSTOP') }
}

/** The link between a worker and the broker, until others have its work. */
export function breakLine(state: 'cut' | 'silent') {
  return async (scene: Scene): Promise<Strike> => {
    const line = scene.stand.lines.get(scene.worker)
    return {
      now: () => void line?.become(state),
      later: async () => {
        await movedFrom(scene)
        line?.become('whole')
      },
    }
  }
}

/** The dispatcher's own link to the broker, for so long. */
export function breakOwnLine(state: 'cut' | 'silent', forMs: number) {
  return async (scene: Scene): Promise<Strike> => {
    const line = scene.stand.lines.get('dispatcher')
    return {
      signs: disconnections(scene),
      now: () => void line?.become(state),
      later: async () => {
        await new Promise(resolve => setTimeout(resolve, forMs))
        line?.become('whole')
      },
    }
  }
}

export function killBroker(remembers: boolean) {
  return async (scene: Scene): Promise<Strike> => {
    const { broker } = scene.stand
    return {
      signs: disconnections(scene),
      now: () => void broker.kill(),
      later: () => broker.restart(remembers),
    }
  }
}

/** Another stands by. */
export async function killSupervisor(scene: Scene): Promise<Strike> {
  const { members, cluster } = scene.stand
  const [leader = 0] = pidsOf(scene, 'supervisor')
  const second = 'supervisor-2'
  await scene.stand.start(second)
  const claims = new ReplaySubject<Leader>(1)
  await cluster.control.subscribe(cluster.topics.supervisor.leader, ({ payload }) => {
    const claim = decodeControl(Leader, payload)
    if (claim?.supervisor === second) claims.next(claim)
  })
  return {
    now: () => void signalAll([leader], 'SIGKILL'),
    signs: claims,
    later: async () => {
      await firstValueFrom(claims.pipe(timeout(LIMIT_MS)))
      await members.kill(second)
    },
  }
}

/** The only spare has too little memory: its runtime is killed as soon as it loads something. */
export async function noMemory(scene: Scene): Promise<Strike> {
  const spare = scene.stand.workers.at(-1) ?? ''
  await scene.stand.members.kill(spare)
  const patch = inCheckout('dist/test/chaos/matrix/no-memory.js')
  await scene.stand.start(spare, { NODE_OPTIONS: `--import=${patch}` })
  const kill = await killWorker(scene)
  return {
    ...kill,
    later: async recovery => {
      await Promise.race([recovery.resumed, new Promise(resolve => setTimeout(resolve, LIMIT_MS).unref())])
      await scene.stand.members.kill(spare)
    },
  }
}

/** A worker that computes ever so slowly, and is not gone. */
export async function slowWorker({ stand, pipeline, stage, plan }: Scene): Promise<Strike> {
  const inject = faultsOf(stand.cluster, pipeline)
  const slower = pace(inject, stage)
  return {
    now: () => slower(SLOWER),
    later: async () => {
      await new Promise(resolve => setTimeout(resolve, SLOW_MS))
      // A plan that took the work from it has ended it too.
      const { epoch } = await firstValueFrom(pipeline.plan$)
      if (epoch === plan.epoch) await slower(1)
    },
  }
}

function pace(inject: FaultInjector, stage: number): (factor: number) => Promise<unknown> {
  return factor => inject.slow(stage, factor)
}

/** Of all that leaves a stage, one message in twenty is damaged. */
export async function corruptPayloads({ stand, pipeline, stage }: Scene): Promise<Strike> {
  const inject = faultsOf(stand.cluster, pipeline)
  return {
    signs: stand.cluster.trouble$.pipe(filter(({ code }) => code.startsWith('ENVELOPE_'))),
    now: () => inject.corrupt(stage, DAMAGED_SHARE),
    later: async () => {
      await firstValueFrom(pipeline.predictions$.pipe(skip(FRAMES_AT_FAULT), timeout(LIMIT_MS)))
      await inject.corrupt(stage, 0)
    },
  }
}

/** A frame that kills whoever runs it. */
export async function poisonFrame({ stand, pipeline, stage, stream }: Scene): Promise<Strike> {
  const inject = faultsOf(stand.cluster, pipeline)
  const sequence = POISONOUS_FRAME
  await inject.poison(stage, { stream, sequence })
  return {
    now: () => undefined,
    at: sequence,
    mayFail: frame => frame.sequence === sequence,
  }
}

/** The link from one stage to the next, straight between their workers. */
export function breakPeerLink(how: 'cut' | 'silent') {
  return async ({ stand, pipeline, stage, worker }: Scene): Promise<Strike> => {
    const inject = faultsOf(stand.cluster, pipeline)
    const rerouted = new Subject<void>()
    await stand.cluster.control.subscribe(stand.cluster.topics.worker.beat(worker), ({ payload }) => {
      const actors = decodeControl(Beat, payload)?.actors ?? []
      if (actors.some(actor => actor.stage === stage && actor.link === 'broker')) rerouted.next()
    })
    const cut = (ms: number) => inject.cut(stage, stage + 1, ms, how)
    return { signs: rerouted, now: () => cut(BROKEN_MS), undo: () => cut(0) }
  }
}

/** So few that one more is worth a plan. */
export async function onFew(stand: Stand): Promise<Pipeline> {
  for (const id of stand.workers.slice(FEW)) await stand.members.kill(id)
  await stand.ready(stand.workers.slice(FEW))
  const pipeline = await stand.deployFreely()
  const isFew = ({ stages }: Plan) =>
    stages.every(({ worker }) => stand.workers.slice(0, FEW).includes(worker))
  await firstValueFrom(pipeline.plan$.pipe(filter(isFew), timeout(LIMIT_MS)))
  return pipeline
}

export async function joinWorker({ stand, pipeline }: Scene): Promise<Strike> {
  const spare = spareOf(stand)
  const takesPart = ({ stages }: Plan) => stages.some(({ worker }) => worker === spare)
  const taken = pipeline.plan$.pipe(filter(takesPart), take(1))
  const late = sleep(LIMIT_MS, undefined, { ref: false })
  let plan: Plan | undefined
  return {
    now: async () => {
      const planned = firstValueFrom(taken).then(found => (plan = found))
      await Promise.all([stand.start(spare), Promise.race([planned, late])])
    },
    problems: () =>
      plan?.reason === 'worker joined' && plan.handover === 'drain' ? [] : ['the plan did not take it in'],
  }
}

function spareOf({ workers }: Stand): string {
  return workers.at(-1) ?? ''
}

/** Another model under the same name. */
export async function newVersion({ stand, pipeline, plan }: Scene): Promise<Strike> {
  const factor = REWEIGHTED[stand.wish.wire === 'f32' ? 'f32' : 'lossy']
  const model = reweighted(readFileSync(stand.wish.model), factor)
  const before = plan.model.sha256.slice(0, 12)
  const after = await stand.learn(model)
  const versions: string[] = []
  pipeline.predictions$.subscribe(({ version }) => {
    if (versions.at(-1) !== version) versions.push(version)
  })
  const inForce = pipeline.plan$.pipe(filter(({ epoch }) => epoch > plan.epoch))
  let deployed: Promise<Pipeline> | undefined
  return {
    now: () => {
      deployed = stand.request(model)
      return Promise.race([firstValueFrom(inForce), deployed])
    },
    later: async () => (await deployed)?.close(),
    problems: () =>
      versions.join() === `${before},${after}` ? [] : [`predictions are of the versions ${versions.join()}`],
  }
}
