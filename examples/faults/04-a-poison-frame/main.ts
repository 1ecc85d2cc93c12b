import assert from 'node:assert/strict'
import { filter, firstValueFrom } from 'rxjs'
import { play, STREAM } from '../play.js'

await play(async scene => {
  await scene.predictions(50)
  const sequence = scene.next + 25
  await scene.inject.poison('middle', { stream: STREAM, sequence })
  console.log(`image ${sequence} will kill every process that runs stage 1 on it`)
  scene.pipeline.status$.subscribe(({ state, error, epoch }) =>
    console.log(`epoch ${epoch} ${state}${error === undefined ? '' : `: ${error.message}`}`),
  )

  const failed = scene.pipeline.ledger$.pipe(filter(({ end }) => end === 'failed'))
  const entry = await firstValueFrom(failed)
  assert(entry.end === 'failed')
  console.log(`image ${entry.sequence} was tried once more, alone, and failed: ${entry.error.message}`)

  await scene.predictions(50)
  const others = await scene.end()
  assert.deepEqual(
    others.map(one => [one.sequence, one.end === 'failed' && one.error.code]),
    [[sequence, 'FRAME_POISONOUS']],
  )
})
