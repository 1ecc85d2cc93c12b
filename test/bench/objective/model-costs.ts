import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Costs, parseCosts } from '../../../core/costs/index.js'
import { randomWeights } from '../../../core/synthetic/index.js'
import { CliRun, millrace } from '../../support/cli.js'
import { inCheckout, sharedModel } from '../../support/index.js'

const BUILD = inCheckout('dist/examples/models/build.js')

/** Models whose costs are measured, by what makes their file; undefined where it cannot be made here. */
const MODELS: Readonly<Record<string, (path: string) => Promise<string | undefined>>> = {
  resnet50: built('resnet50'),
  vgg16: built('vgg16'),
  'mobilenet-v2': built('mobilenet-v2'),
  'inception-v1': async path => {
    const model = sharedModel('light_inception_v1.onnx')
    if (model === undefined) return undefined
    writeFileSync(path, randomWeights(model, 1))
    return path
  },
}

export const MODEL_NAMES = Object.keys(MODELS)

/**
 * What a model costs on this machine.
 * @param folder  of files from an earlier run, which are used again, or of none
 */
export async function costsOf(name: string, folder: string): Promise<Costs | undefined> {
  const file = join(folder, `${name}.json`)
  if (!existsSync(file)) {
    const path = join(folder, `${name}.onnx`)
    const model = existsSync(path) ? path : await MODELS[name]?.(path)
    if (model === undefined) return undefined
    const { status, stderr } = await millrace(['profile', model, '--out', file])
    if (status !== 0) throw new Error(`profile ended with ${status}: ${stderr}`)
  }
  return parseCosts(readFileSync(file, 'utf8'), file)
}

function built(name: string): (path: string) => Promise<string> {
  return async path => {
    const { status, stderr } = await new CliRun([name, '--out', path], {}, BUILD).ended
    if (status !== 0) throw new Error(`building ${name} ended with ${status}: ${stderr}`)
    return path
  }
}
