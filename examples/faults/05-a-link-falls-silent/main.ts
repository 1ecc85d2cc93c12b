import assert from 'node:assert/strict'
import { after, play } from '../play.js'

const SILENT_MS = 20_000

await play(async scene => {
  await scene.predictions(50)
  const fault = await scene.inject.cut('first', 'middle', SILENT_MS, 'silent')
  const resumed = scene.resumed()
  console.log(
    `for ${SILENT_MS} ms nothing gets from ${fault.worker} straight to the next stage, and nobody is told`,
  )

  await resumed
  console.log(
    `predictions go on ${after(fault)}: frames take the way through the broker, and lost ones were sent again`,
  )
  assert(Date.now() - fault.at < SILENT_MS)

  await scene.predictions(100)
  assert.deepEqual(await scene.end(), [])
})
