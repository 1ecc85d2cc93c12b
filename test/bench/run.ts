import { type Bench, UsageError } from './bench.js'
import { adaptationBench } from './adaptation/adaptation-bench.js'
import { freshestBench } from './freshest/freshest-bench.js'
import { deferBench } from './defer/defer-bench.js'
import { scaleBench } from './defer/scale-bench.js'
import { codecsBench } from './codecs/codecs-bench.js'
import { objectiveBench } from './objective/objective-bench.js'
import { predictionsBench } from './predictions/predictions-bench.js'
import { linksBench } from './links/links-bench.js'
import { plannerBench } from './planner/planner-bench.js'
import { soakBench } from './soak/soak-bench.js'
import { versionsBench } from './versions/versions-bench.js'

/** `npm run bench -- NAME [options]` runs a benchmark; where it is used wrongly it lists them, and exits with 2. */
const BENCHES: Readonly<Record<string, Bench>> = {
  planner: plannerBench,
  objective: objectiveBench,
  predictions: predictionsBench,
  freshest: freshestBench,
  codecs: codecsBench,
  versions: versionsBench,
  links: linksBench,
  defer: deferBench,
  scale: scaleBench,
  adaptation: adaptationBench,
  soak: soakBench,
}

const [name, ...options] = process.argv.slice(2)
process.exitCode = await run(name, options)

async function run(name: string | undefined, options: readonly string[]): Promise<number> {
  const bench = name !== undefined && Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined
  if (bench === undefined) return misused(name === undefined ? 'which bench?' : `there is no bench ${name}`)
  try {
    return await bench.run(options)
  } catch (error) {
    if (error instanceof UsageError) return misused(error.message)
    throw error
  }
}

function misused(reason: string): number {
  console.error(`${reason}\n\nusage: npm run bench -- NAME [options]\n`)
  for (const [name, { options, summary }] of Object.entries(BENCHES)) {
    console.error(`  ${name} ${options}\n      ${summary}`)
  }
  return 2
}
