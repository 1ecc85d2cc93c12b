import assert from 'node:assert/strict'
import { after, placesOf, play } from '../play.js'

await play(async scene => {
  await scene.predictions(50)
  const [degraded, replanned] = [scene.degraded(), scene.replanned()]
  const fault = await scene.inject.kill('middle')
  const resumed = scene.resumed()
  console.log(`killed ${fault.worker}, which ran stage ${fault.stage}, as a power cut would`)

  const { error } = await degraded
  console.log(`noticed ${after(fault)}: ${error?.code}, ${error?.message}`)
  const plan = await replanned
  console.log(`epoch ${plan.epoch} ${after(fault)}: ${placesOf(plan)}`)
  await resumed
  console.log(`predictions go on ${after(fault)}; what was under way was sent again`)

  await scene.predictions(50)
  assert.deepEqual(await scene.end(), [])
  assert(plan.stages.every(({ worker }) => worker !== fault.worker))
})
