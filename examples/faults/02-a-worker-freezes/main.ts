import assert from 'node:assert/strict'
import { after, placesOf, play } from '../play.js'

const FROZEN_MS = 5_000

await play(async scene => {
  await scene.predictions(50)
  const [degraded, replanned] = [scene.degraded(), scene.replanned()]
  const fault = await scene.inject.stall('last', FROZEN_MS)
  const resumed = scene.resumed()
  console.log(`stopped ${fault.worker}, which ran stage ${fault.stage}, for ${FROZEN_MS} ms: nobody is told`)

  const { error } = await degraded
  console.log(`its silence was noticed ${after(fault)}: ${error?.code}, ${error?.message}`)
  const plan = await replanned
  console.log(`epoch ${plan.epoch} ${after(fault)}: ${placesOf(plan)}`)
  await resumed
  console.log(`predictions go on ${after(fault)}`)

  // It wakes with frames of the old epoch in its hands, and what it makes of them changes nothing.
  await new Promise(resolve => setTimeout(resolve, Math.max(0, fault.at + FROZEN_MS + 500 - Date.now())))
  console.log(`${fault.worker} is awake again; what it still sends is of an epoch that is over`)
  await scene.predictions(50)
  assert.deepEqual(await scene.end(), [])
  assert(plan.stages.every(({ worker }) => worker !== fault.worker))
})
