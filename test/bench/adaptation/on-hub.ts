import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { firstValueFrom } from 'rxjs'
import { type Pipeline } from '../../../config/index.js'
import { Cleanup } from '../../../core/cleanup.js'
import { openCluster, say } from '../hub-cluster.js'
import { Flow } from './flow.js'
import { type Measured, type Order, type StepFigures } from './order.js'

/**
 * Runs on the dispatcher's device of an emulated cluster, as `millrace emulate` starts it: `on-hub.js ORDER RESULT`. For each
 * bandwidth starts a cluster that knows nothing else; then one under which the bandwidth changes from step to step.
 */
const CLOSE_LIMIT_MS = 20_000
/** The emulator notices that its file has changed. */
const CHANGED_MS = 1_000
/** Workers have measured themselves and their links. */
const SETTLED_MS = 12_000
const WARM_MS = 30_000
const FIXED_MS = 20_000

const [orderFile = '', resultFile = ''] = process.argv.slice(2)
const order = JSON.parse(readFileSync(orderFile, 'utf8')) as Order
let cleanup = new Cleanup(CLOSE_LIMIT_MS)
process.once('SIGTERM', () => void cleanup.run().then(() => process.exit(143)))
writeFileSync(resultFile, JSON.stringify(await measure()))

async function measure(): Promise<Measured> {
  const fixed: Measured['fixed'][number][] = []
  for (const mbps of [...new Set(order.steps)]) {
    fixed.push(
      await deployedAt(mbps, async (pipeline, flow) => {
        await setTimeout(WARM_MS)
        const before = flow.predicted
        await setTimeout(FIXED_MS)
        const fps = (1_000 * (flow.predicted - before)) / FIXED_MS
        const { predicted, cuts = [] } = await firstValueFrom(pipeline.plan$)
        say(
          `fixed at ${mbps} Mbit/s: ${fps.toFixed(2)} fps, planned ${predicted?.fps.toFixed(2)}, cuts ${cuts.join(' ')}`,
        )
        return { mbps, fps, plannedFps: predicted?.fps ?? NaN, cuts }
      }),
    )
  }
  const [first = NaN] = order.steps
  return deployedAt(first, async (pipeline, flow) => {
    await setTimeout(WARM_MS)
    const steps: StepFigures[] = []
    for (const mbps of order.steps) steps.push(await step(mbps, pipeline, flow))
    const counts = await flow.end()
    return { fixed, steps, frames: { ...counts, disorder: flow.disorder } }
  })
}

/** Starts a cluster at a bandwidth, deploys the model there, and streams frames as fast as they are taken. */
async function deployedAt<T>(mbps: number, act: (pipeline: Pipeline, flow: Flow) => Promise<T>): Promise<T> {
  setLinks(mbps)
  await setTimeout(CHANGED_MS)
  cleanup = new Cleanup(CLOSE_LIMIT_MS)
  try {
    const cluster = await openCluster(cleanup, say)
    await setTimeout(SETTLED_MS)
    const input = { dtype: 'uint8', mean: [0.5], std: [0.25] } as const
    const pipeline = await cluster.deploy(order.model, { name: 'p', replicas: false, wire: 'u8', input })
    const flow = new Flow(pipeline, order.side)
    cleanup.defer('ending the stream', () => flow.end())
    return await act(pipeline, flow)
  } finally {
    for (const failure of await cleanup.run()) say(failure.message)
  }
}

async function step(mbps: number, pipeline: Pipeline, flow: Flow): Promise<StepFigures> {
  const { secondsOfStep, secondsToAdapt } = order
  const plans: StepFigures['plans'][number][] = []
  setLinks(mbps)
  const startedAt = performance.now()
  const { epoch } = await firstValueFrom(pipeline.plan$)
  const watching = pipeline.plan$.subscribe(({ epoch: other, reason, cuts = [] }) => {
    if (other === epoch) return
    plans.push({ second: (performance.now() - startedAt) / 1_000, ...(reason && { reason }), cuts })
  })
  const predictions: number[] = []
  for (let second = 1; second <= secondsOfStep; second++) {
    const before = flow.predicted
    await setTimeout(startedAt + 1_000 * second - performance.now())
    predictions.push(flow.predicted - before)
  }
  watching.unsubscribe()
  const late = predictions.slice(secondsToAdapt)
  const fps = late.reduce((sum, one) => sum + one, 0) / late.length
  const changes = plans.map(({ second, cuts }) => `cuts ${cuts.join(' ')} after ${second.toFixed(1)} s`)
  say(`${mbps} Mbit/s: ${fps.toFixed(2)} fps; ${changes.join(', ') || 'no new plan'}`)
  return { mbps, fps, predictions, plans }
}

/** Between all devices; the emulator reads the file again. */
function setLinks(mbps: number): void {
  const description = JSON.parse(readFileSync(order.cluster, 'utf8')) as object
  writeFileSync(order.cluster, JSON.stringify({ ...description, links: { mbps } }))
}
