import { readFileSync, statSync } from 'node:fs'
import test from 'ava'
import { argMax } from '../../core/compare.js'
import { checkFiles, filesOf, frameOf, labelOf, parseDataset } from '../../core/dataset.js'
import { openSession } from '../../actors/session/index.js'
import { inCheckout } from '../support/index.js'
import { count, graphOf } from '../support/model-graph.js'

const FOLDER = inCheckout('examples/digits/')
const MODEL = `${FOLDER}digits.onnx`

test('the digits example - has a model that reads at least 97 % of the held-out digits', async t => {
  const dataset = parseDataset(JSON.parse(readFileSync(`${FOLDER}held-out.json`, 'utf8')))
  const files = Object.fromEntries(filesOf(dataset).map(file => [file, readFileSync(FOLDER + file)]))
  checkFiles(dataset, files)
  t.true(dataset.count >= 300)
  const output = dataset.labels?.output ?? ''
  const session = await openSession(MODEL)
  let right = 0
  for (let i = 0; i < dataset.count; i++) {
    const logits = (await session.run(frameOf(dataset, files, i)))[output]
    if (logits && argMax(logits) === labelOf(dataset, files, i)) right++
  }
  await session.release()
  t.log(`${right} of ${dataset.count}`)
  t.true(right / dataset.count >= 0.97)
})

test('the digits example - holds every digit in near equal numbers', t => {
  const counts = new Array<number>(10).fill(0)
  for (const label of readFileSync(`${FOLDER}held-out.labels`)) counts[label] = (counts[label] ?? 0) + 1
  t.true(Math.min(...counts) >= 30)
})

test('the digits example - is small, deep enough to be cut in eight, and takes batches', async t => {
  t.true(statSync(MODEL).size < 2_000_000)
  const graph = graphOf(readFileSync(MODEL))
  t.true(count(graph, 'Conv') >= 12)
  t.true(count(graph, 'Add') > 0)
  const session = await openSession(MODEL)
  const image = { dtype: 'float32', dims: [3, 1, 8, 8], data: new Float32Array(192) } as const
  t.deepEqual((await session.run({ image }))['logits']?.dims, [3, 10])
  await session.release()
})
