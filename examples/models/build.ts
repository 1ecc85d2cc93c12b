import { stat } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import {
  type Architecture,
  mobilenetV2,
  resnet50,
  vgg16,
  vgg19,
  visionTransformer,
  writeModel,
} from './index.js'

const MODELS = new Map(
  [resnet50, vgg16, vgg19, mobilenetV2, visionTransformer].map(model => [model.name, model]),
)
const NAMES = [...MODELS.keys()].join(' | ')
const USAGE = `usage: node dist/examples/models/build.js ${NAMES} [--out FILE.onnx] [--seed N]`

async function main(args: string[]): Promise<void> {
  const { architecture, out, seed } = commandOf(args)
  const started = performance.now()
  await writeModel(architecture, seed, out)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const { size } = await stat(out)
  const memory = 1024 * process.resourceUsage().maxRSS
  console.log(`${out}: ${megabytes(size)} MB in ${seconds} s, with at most ${megabytes(memory)} MB of memory`)
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}

/** Ends the process with status 2 where it is used wrongly. */
function commandOf(args: string[]): { architecture: Architecture; out: string; seed: number } {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { out: { type: 'string' }, seed: { type: 'string', default: '1' } },
    })
    const [name = '', ...rest] = positionals
    const architecture = MODELS.get(name)
    if (!architecture || rest.length > 0) throw new Error(`name one model: ${NAMES}`)
    const seed = Number(values.seed)
    if (!Number.isSafeInteger(seed)) throw new Error(`--seed takes an integer, not '${values.seed}'`)
    return { architecture, out: values.out ?? `${name}.onnx`, seed }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`)
    process.exit(2)
  }
}

await main(process.argv.slice(2))
