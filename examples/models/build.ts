import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { type Architecture, buildModel } from './calibrate.js'
import { resnet50 } from './resnet50.js'
import { visionTransformer } from './vision-transformer.js'

const MODELS: Readonly<Record<string, Architecture>> = {
  [resnet50.name]: resnet50,
  [visionTransformer.name]: visionTransformer,
}
const NAMES = Object.keys(MODELS).join(' | ')
const USAGE = `usage: node dist/examples/models/build.js ${NAMES} [--out FILE.onnx] [--seed N]`

async function main(args: string[]): Promise<void> {
  const { architecture, out, seed } = commandOf(args)
  const started = performance.now()
  const model = await buildModel(architecture, seed)
  await writeFile(out, model)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${out}: ${(model.length / 1e6).toFixed(1)} MB in ${seconds} s`)
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
    const architecture = Object.hasOwn(MODELS, name) ? MODELS[name] : undefined
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
