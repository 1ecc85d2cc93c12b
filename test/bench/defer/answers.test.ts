import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { relativeError } from '../../../core/compare.js'
import { readGraph, withPixelInputs } from '../../../core/graph/index.js'
import { pixelScalings } from '../../../core/sensing/index.js'
import { testFolder } from '../../support/actors.js'
import { evenCosts } from '../../support/costs.js'
import { node, onnxBytes, value } from '../../support/onnx-builder.js'
import { runModel } from '../../support/onnx-runner.js'
import { prepareAnswers, readAnswers, readFrames } from './answers.js'
import { PIXELS, SCHEMES, schemesFor } from './schemes.js'

const COUNT = 3
const MODEL = onnxBytes({
  inputs: [value('x', 'FLOAT', ['n', 3, 8, 8])],
  outputs: [value('y', 'FLOAT', ['n', 192])],
  nodes: [node('Flatten', ['x'], ['y'])],
})

test('frames of a comparison - are pixels for every scheme, and have the answers of the uncut model', async t => {
  const folder = await testFolder(t)
  const file = join(folder, 'm.onnx')
  await writeFile(file, MODEL)
  const prepared = await prepareAnswers(folder, file, COUNT)
  const [frames, answers] = [readFrames(prepared), readAnswers(prepared)]
  t.deepEqual([frames.length, answers.length], [COUNT, COUNT])
  const schemes = schemesFor(SCHEMES, evenCosts(4, 5), ['pi-1', 'pi-2'], 'u8')
  t.deepEqual(
    schemes.map(({ key, options }) => [key, options.input]),
    SCHEMES.map(key => [key, PIXELS]),
  )
  const taking = withPixelInputs(MODEL, 'm', pixelScalings(readGraph(MODEL).inputs, PIXELS))
  for (const [i, frame] of frames.entries()) {
    t.like(frame['x'], { dtype: 'uint8', dims: [1, 3, 8, 8] })
    t.true(relativeError(await runModel(taking, frame), answers[i] ?? {}) <= 1e-6)
  }
  t.deepEqual(await prepareAnswers(folder, file, COUNT), prepared)
})
