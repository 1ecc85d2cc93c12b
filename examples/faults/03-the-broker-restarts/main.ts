import assert from 'node:assert/strict'
import { filter, firstValueFrom } from 'rxjs'
import { after, play } from '../play.js'

const DOWN_MS = 500

await play(async scene => {
  await scene.predictions(50)
  const state = (wanted: string) =>
    firstValueFrom(scene.cluster.control.state$.pipe(filter(state => state === wanted)))
  const lost = state('disconnected')
  const fault = await scene.inject.restartBroker(DOWN_MS)
  await lost
  console.log(`the broker is gone, and so are all connections and all that it had kept`)

  const resumed = scene.resumed()
  await state('connected')
  console.log(`connected again ${after(fault)}, to one that knows nothing`)
  await resumed
  console.log(`predictions go on ${after(fault)}; what was under way was sent again`)

  await scene.predictions(50)
  assert.deepEqual(await scene.end(), [])
})
