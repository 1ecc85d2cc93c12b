import { cpus, loadavg } from 'node:os'
import { type Bench, benchOptions, UsageError } from '../bench.js'
import { table } from '../table.js'
import { measure, type Measured } from './measure.js'

const MOST_GROWTH_MB = 32
const SECONDS = 30

/** A stream that is offered at twice what the pipeline can do, and wants its newest frames. */
export const freshestBench: Bench = {
  options: '[--json] [--seconds N]',
  summary:
    'age of predictions of a freshest stream that is offered at twice the capacity, against (stages + 2) times the ' +
    "bottleneck's time; drops, and memory of all processes",
  run: async options => {
    const { json, seconds } = settings(options)
    const measured = await measure(seconds)
    const problems = problemsOf(measured)
    const [cpu] = cpus()
    const machine = {
      processor: cpu?.model ?? 'unknown',
      cores: cpus().length,
      node: process.version,
      load: loadavg(),
    }
    if (!json) console.log(`${report(measured)}\n`)
    console.log(
      JSON.stringify({
        bench: 'freshest',
        machine,
        seconds,
        held: problems.length === 0,
        problems,
        ...measured,
      }),
    )
    return problems.length === 0 ? 0 : 1
  },
}

function settings(options: readonly string[]): { json: boolean; seconds: number } {
  const { json, seconds: given } = benchOptions(options, {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: `${SECONDS}` },
  })
  const seconds = Number(given)
  if (!(seconds >= 1 && seconds <= 3_600)) throw new UsageError(`--seconds ${given} is not from 1 to 3600`)
  return { json, seconds }
}

function problemsOf({ ratio, frames, memory }: Measured): string[] {
  const { admitted, predicted, dropped, failed } = frames
  const said: [boolean, string][] = [
    [!(ratio <= 1), `the age at p99 is ${ratio} of its bound`],
    [failed > 0, `${failed} frames failed`],
    [admitted !== predicted + dropped + failed, 'frames have no end'],
    ...memory.map(({ process, before, after }): [boolean, string] => [
      !(after - before <= MOST_GROWTH_MB),
      `${process} grew from ${before} to ${after} MB`,
    ]),
  ]
  return said.flatMap(([is, problem]) => (is ? [problem] : []))
}

function report({
  stages,
  bottleneckMs,
  boundMs,
  ageMs,
  ratio,
  fps,
  frames,
  reasons,
  memory,
}: Measured): string {
  const ages = table(
    ['stages', 'bottleneck ms', 'age p50', 'p99', 'most', 'bound', 'ratio'],
    [[stages, bottleneckMs, ageMs.p50, ageMs.p99, ageMs.most, boundMs, ratio].map(String)],
  )
  const rates = table(
    ['frames a second', 'offered', 'capacity', 'predicted', 'under way at most', 'dropped', 'why'],
    [
      ['', fps.offered, fps.capacity, fps.predicted, frames.mostUnderWay, frames.dropped].map(String).concat(
        Object.entries(reasons)
          .map(([reason, count]) => `${count} ${reason}`)
          .join(', '),
      ),
    ],
  )
  const kept = table(
    ['process, MB', 'before', 'after'],
    memory.map(({ process, before, after }) => [process, `${before}`, `${after}`]),
  )
  return [ages, rates, kept].join('\n\n')
}
