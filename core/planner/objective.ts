import { type PlannedStage, type PlanProblem } from './problem.js'

export type Resource =
  | { readonly kind: 'device'; readonly device: number }
  /** From and to; the dispatcher is the number of devices. */
  | { readonly kind: 'link'; readonly from: number; readonly to: number }
  | { readonly kind: 'sending' | 'receiving'; readonly device: number }

export interface Load {
  readonly resource: Resource
  /** How long the resource is busy with an average frame. */
  readonly ms: number
}

/** Memory of a worker that runs blocks [from, to). */
export function memoryBytes(
  { chain, processBytes, weightFactor, memoryOf }: PlanProblem,
  from: number,
  to: number,
): number {
  if (memoryOf !== undefined) return memoryOf(from, to)
  const blocks = chain.blocks.slice(from, to)
  const weights = blocks.reduce((sum, block) => sum + block.weightBytes, 0)
  const activations = blocks.reduce((most, block) => Math.max(most, block.activationBytes), 0)
  const buffers = [from, to].reduce((sum, at) => sum + (chain.crossings[at]?.bufferBytes ?? 0), 0)
  return processBytes + weightFactor * weights + activations + buffers
}

/** Infinity where there is no way, even for a message without bytes. */
export function transferMs(bytes: number, rate: number): number {
  return rate === 0 ? Infinity : bytes / rate
}

/**
 * The share of a stage's frames that each of its devices takes, in their order: as its speed is to that of all, unless the
 * stage says otherwise.
 */
export function sharesOf({ devices }: PlanProblem, stage: PlannedStage): readonly number[] {
  if (stage.shares !== undefined) return stage.shares
  const speeds = stage.devices.map(index => devices[index]?.speed ?? 0)
  const sum = speeds.reduce((total, speed) => total + speed, 0)
  return speeds.map(speed => speed / sum)
}

/** What a device of speed 1 spends on one frame of a stage: it takes it in, runs the blocks, and sends what they give. */
export function workMs({ chain }: PlanProblem, { from, to }: PlannedStage): number {
  const compute = chain.blocks.slice(from, to).reduce((sum, { computeMs }) => sum + computeMs, 0)
  return compute + (chain.crossings[from]?.receiveMs ?? 0) + (chain.crossings[to]?.sendMs ?? 0)
}

/**
 * How long each resource is busy with an average frame under a plan. The slowest decides on frames per second: all
 * others wait for it.
 * Source: the throughput of a pipeline is that of its slowest stage; PipeEdge (arXiv 2110.14895) §III for devices and
 * links, here with replicas and with network cards that links share
 */
export function loadsOf(problem: PlanProblem, stages: readonly PlannedStage[]): Load[] {
  const { chain, devices, network } = problem
  const dispatcher = devices.length
  const loads: Load[] = []
  const sent = new Map<number, number>()
  const received = new Map<number, number>()
  const add = (sums: Map<number, number>, key: number, bytes: number) =>
    sums.set(key, (sums.get(key) ?? 0) + bytes)
  const ends = (stage: PlannedStage | undefined) =>
    stage === undefined
      ? [{ device: dispatcher, share: 1 }]
      : sharesOf(problem, stage).map((share, i) => ({ device: stage.devices[i] ?? 0, share }))
  for (const [i, stage] of stages.entries()) {
    const work = workMs(problem, stage)
    for (const { device, share } of ends(stage)) {
      loads.push({ resource: { kind: 'device', device }, ms: (share * work) / (devices[device]?.speed ?? 0) })
    }
    if (i === 0) addHop(undefined, stage, stage.from)
    addHop(stage, stages[i + 1], stage.to)
  }
  for (const [device, bytes] of sent) {
    const rate = device === dispatcher ? network.dispatcherSendRate : (devices[device]?.sendRate ?? 0)
    loads.push({ resource: { kind: 'sending', device }, ms: transferMs(bytes, rate) })
  }
  for (const [device, bytes] of received) {
    const rate = device === dispatcher ? network.dispatcherReceiveRate : (devices[device]?.receiveRate ?? 0)
    loads.push({ resource: { kind: 'receiving', device }, ms: transferMs(bytes, rate) })
  }
  return loads

  function addHop(before: PlannedStage | undefined, after: PlannedStage | undefined, position: number): void {
    const bytes = chain.crossings[position]?.bytes ?? 0
    for (const from of ends(before)) {
      for (const to of ends(after)) {
        // Within one device frames go by reference.
        if (from.device === to.device) continue
        const share = from.share * to.share
        const rate = network.rates[from.device]?.[to.device] ?? 0
        const ms = share * (transferMs(bytes, rate) + network.messageMs)
        loads.push({ resource: { kind: 'link', from: from.device, to: to.device }, ms })
        add(sent, from.device, share * bytes)
        add(received, to.device, share * bytes)
      }
    }
  }
}

/** The load of the slowest resource; Infinity where frames have no way. */
export function bottleneckOf(problem: PlanProblem, stages: readonly PlannedStage[]): Load {
  const [first, ...others] = loadsOf(problem, stages)
  if (first === undefined) throw new RangeError('a plan has at least one stage')
  return others.reduce((worst, load) => (load.ms > worst.ms ? load : worst), first)
}

/** How long a frame takes through an empty pipeline, in the mean over replicas. */
export function latencyMs(problem: PlanProblem, stages: readonly PlannedStage[]): number {
  // Loads are weighted with shares already; those of network cards are the same bytes again.
  const counted = loadsOf(problem, stages).filter(
    ({ resource }) => resource.kind === 'link' || resource.kind === 'device',
  )
  return counted.reduce((sum, { ms }) => sum + ms, 0)
}
