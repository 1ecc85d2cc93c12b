import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Costs } from '../../../core/costs/index.js'
import { type Bench, benchOptions, UsageError } from '../bench.js'
import { costsOf, MODEL_NAMES } from './model-costs.js'
import { type Row, rowOf, rowsTable, verdictLines } from './report.js'
import { type Solve, solveOn } from './solves.js'

const DEVICES = [10, 50]
const CLUSTERS = 3
const LIMIT_MS = 10_000

/** The planner with all that it counts, on costs that are measured first. */
export const objectiveBench: Bench = {
  options: '[--json] [--clusters N] [--folder FOLDER]',
  summary:
    'plans of measured models for 10 and 50 unequal devices: solve time, gap, and what cuts of several tensors and ' +
    `replicas gain; N seeded clusters of each size, default ${CLUSTERS}; FOLDER keeps models and costs for the next run`,
  run: async options => {
    const { json, clusters, folder } = settings(options)
    const place = folder === undefined ? mkdtempSync(join(tmpdir(), 'millrace-bench-')) : resolve(folder)
    try {
      const rows = await measure(place, clusters, json ? () => undefined : text => console.log(text))
      const verdicts = verdictLines(rows)
      if (!json) console.log([rowsTable(rows), '', ...verdicts.map(({ line }) => line)].join('\n'))
      console.log(JSON.stringify({ bench: 'objective', clusters, limitMs: LIMIT_MS, rows }))
      return verdicts.every(({ kept }) => kept) ? 0 : 1
    } finally {
      if (folder === undefined) rmSync(place, { recursive: true })
    }
  },
}

/** @throws UsageError */
function settings(options: readonly string[]): {
  json: boolean
  clusters: number
  folder: string | undefined
} {
  const known = {
    json: { type: 'boolean', default: false },
    clusters: { type: 'string', default: `${CLUSTERS}` },
    folder: { type: 'string' },
  } as const
  const values = benchOptions(options, known)
  const clusters = Number(values.clusters)
  if (!Number.isSafeInteger(clusters) || clusters < 1) {
    throw new UsageError(`--clusters takes a whole number of clusters, 1 or more, not ${values.clusters}`)
  }
  return { json: values.json, clusters, folder: values.folder }
}

async function measure(folder: string, clusters: number, say: (text: string) => void): Promise<Row[]> {
  const rows: Row[] = []
  for (const model of MODEL_NAMES) {
    say(`${model} ...`)
    const costs = await costsOf(model, folder)
    if (costs === undefined) {
      say(`skipped: the file of ${model} is absent`)
      continue
    }
    for (const devices of DEVICES) rows.push(...rowsOf(model, costs, devices, clusters))
  }
  return rows
}

/** Without replicas, and with them. */
function rowsOf(model: string, costs: Costs, devices: number, clusters: number): Row[] {
  const solves = (replicas: boolean): (Solve | undefined)[] =>
    Array.from({ length: clusters }, (_, seed) => solveOn(costs, devices, seed, replicas, LIMIT_MS))
  const [without, withReplicas] = [solves(false), solves(true)]
  return [
    rowOf({ model, devices, replicas: false }, costs, without, without),
    rowOf({ model, devices, replicas: true }, costs, withReplicas, without),
  ]
}
