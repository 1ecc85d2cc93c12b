import { writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { z } from 'zod'
import { readClusterFile } from '../../../config/cluster-files.js'
import { type ClusterDescription } from '../../../core/cluster-file.js'
import { chainOf, type Costs, memoryFactorsOf } from '../../../core/costs/index.js'
import { MillraceError } from '../../../core/errors.js'
import { defineOptions, type Options } from '../../../core/options.js'
import {
  baselines,
  bottleneckOf,
  changedCluster,
  clusterProblem,
  planReport,
  type PlanProblem,
  type PlanReport,
} from '../../../core/planner/index.js'
import { randomOf } from '../../../core/synthetic/index.js'
import { Wire } from '../../../core/wire.js'
import { solveInThread } from '../../planning/index.js'
import { profileOptions } from '../../profiler/index.js'
import { deployOptions } from '../../supervisor/index.js'
import { defineCommand, onlyArgument } from '../cli/command.js'
import { type Session } from '../cli/session.js'
import { planSvg } from '../plan/svg.js'
import { planText } from '../plan/plan-text.js'
import { obtainCosts } from '../profile/obtain-costs.js'

/** A coarser wire must be so many times as fast: it costs accuracy. */
const WORTH_COARSER = 1.01

const { profileDir, force, measureMs, limitMs } = profileOptions

const options = defineOptions({
  devices: {
    check: z.string().min(1),
    value: 'FILE',
    doc: 'Cluster file with the devices and links to plan for; needed.',
  },
  whatIf: {
    check: z.string().min(1),
    value: 'CHANGES',
    doc: 'Plan also for the cluster after changes, such as `add 2 x pi-1, without pi-3, pi-2 speed 0.5, pi-2 memory 256, links 18`.',
  },
  exclude: {
    check: z.string().min(1),
    value: 'DEVICES',
    doc: 'Devices that are to run nothing, separated by commas.',
  },
  replicas: {
    check: z.boolean(),
    default: false,
    doc: 'Let several devices take turns with one stage.',
  },
  wire: {
    ...deployOptions.wire,
    doc: 'What float32 tensors travel as between stages: `f16` takes half of the bytes, `u8` and `u8c` a quarter; `auto` takes the most exact of those with which it is fastest.',
  },
  input: deployOptions.input,
  svg: { check: z.string().min(1), value: 'FILE', doc: 'Draw the plan, as SVG.' },
  seed: { check: z.coerce.number().int().min(0), default: 0, value: 'N', doc: 'Of the search.' },
  timeLimitMs: {
    check: z.coerce.number().int().min(1).max(3_600_000),
    default: 10_000,
    value: 'MS',
    doc: 'Time for the search; then the best plan so far is taken.',
  },
  costs: {
    check: z.string().min(1),
    value: 'FILE',
    doc: 'Costs of the model as `profile` keeps them; left out, those of the folder of profiles, measured now if there are none.',
  },
  ...{ profileDir, force, measureMs, limitMs },
})

type PlanOptions = Options<typeof options>
type WiredReport = PlanReport & { readonly wire: Wire }

export const planCommand = defineCommand({
  name: 'plan',
  arguments: '<model>',
  summary: 'Say how a model would be spread over the devices of a cluster file, and how fast it would be.',
  options,
  async run(session, given, args) {
    const model = onlyArgument(args, 'the model')
    const cluster = await readClusterFile(needed(given.devices))
    const changed = given.whatIf === undefined ? undefined : changedCluster(cluster, given.whatIf)
    const costs = await obtainCosts(session, model, { ...given, out: given.costs })
    const report = await planFor(session, basename(model), costs, cluster, given)
    const other =
      changed === undefined ? undefined : await planFor(session, basename(model), costs, changed, given)
    if (given.svg !== undefined) await writeFile(given.svg, planSvg(other ?? report, costs))
    const texts = [
      planText(report),
      ...(other === undefined ? [] : ['', `with ${given.whatIf}:`, planText(other)]),
    ]
    session.print(texts.join('\n'), { ...report, ...(other === undefined ? {} : { whatIf: other }) })
  },
})

function needed(file: string | undefined): string {
  if (file !== undefined) return file
  throw new MillraceError('OPTION_INVALID', 'millrace plan: --devices FILE is needed, a cluster file')
}

async function planFor(
  session: Session,
  model: string,
  costs: Costs,
  cluster: ClusterDescription,
  given: PlanOptions,
): Promise<WiredReport> {
  let best: WiredReport | undefined
  for (const wire of given.wire === 'auto' ? Wire.options : [given.wire]) {
    const report = { ...(await planOn(wire, session, model, costs, cluster, given)), wire }
    if (best === undefined || report.bottleneckMs * WORTH_COARSER < best.bottleneckMs) best = report
  }
  if (best === undefined) throw new MillraceError('INTERNAL', 'there is no wire to plan with')
  return best
}

async function planOn(
  wire: Wire,
  session: Session,
  model: string,
  costs: Costs,
  cluster: ClusterDescription,
  { exclude, replicas, seed, timeLimitMs }: PlanOptions,
): Promise<PlanReport> {
  const excluded = exclude?.split(',').map(id => id.trim()) ?? []
  const unknown = excluded.find(id => !cluster.devices.some(device => device.id === id))
  if (unknown !== undefined)
    throw new MillraceError('OPTION_INVALID', `--exclude: no device has the id '${unknown}'`)
  // A message crosses a link once: half of the way there and back.
  const worker = { ...memoryFactorsOf(costs), messageMs: cluster.rttMs / 2 }
  const problem = clusterProblem(chainOf(costs, wire), cluster, worker, { replicas, excluded })
  const solved = await solveInThread({ problem, seed, timeLimitMs }, session.signal)
  return planReport(model, problem, solved, comparisons(problem, seed))
}

function comparisons(problem: PlanProblem, seed: number): Record<string, number | null> {
  const source = randomOf('baselines', seed)
  const random = () => source.uniform()
  return Object.fromEntries(
    Object.entries(baselines).map(([name, plan]) => {
      const stages = plan(problem, random)
      return [name, stages === undefined ? null : bottleneckOf(problem, stages).ms]
    }),
  )
}
