import { rm } from 'node:fs/promises'
import test from 'ava'
import { CutModels } from '../../../actors/supervisor/workshop/cut-models.js'
import { type CutModel, type CutOrder } from '../../../actors/supervisor/workshop/messages.js'
import { type CutWire } from '../../../core/wire.js'
import { testStore } from '../../support/actors.js'

const ORDER: CutOrder = { model: 'm', name: 'm', data: [], cuts: [3], directory: 'd', limitBytes: 1 }

test('models that were cut - are remembered as long as their parts are there', async t => {
  const store = await testStore(t)
  const part = await store.put(Uint8Array.of(1, 2, 3))
  let [made, taken] = [0, 0]
  const models = new CutModels(async (_, take) => {
    made++
    const about = { receives: [], carries: [], sends: [], operators: 1, weightBytes: 3, outBytes: 1 }
    const model: CutModel = {
      inputs: [],
      outputs: [],
      wires: [],
      sampleError: 0,
      parts: [{ part, ...about }],
    }
    await take(model)
    return model
  })
  const cut = async (change: Partial<CutOrder> = {}) => {
    const take = async () => void taken++
    await models.cut({ ...ORDER, ...change }, store, take, new AbortController().signal)
    return made
  }
  const wires = (f16: number): CutWire[] => [{ wire: 'u8', ms: { f32: 4, f16, u8c: 1, u8: 1 } }]
  t.is(await cut(), 1)
  t.is(await cut(), 1)
  t.is(taken, 2)
  t.is(await cut({ cuts: [4] }), 2)
  t.is(await cut({ wires: wires(2) }), 3)
  t.is(await cut({ wires: wires(3) }), 3)
  t.is(await cut({ wires: wires(2), wireError: 0.1 }), 4)
  t.is(await cut({ wires: wires(3), wireError: 0.1 }), 5)
  await rm(store.pathOf(part.sha256))
  t.is(await cut(), 6)
  await store.put(Uint8Array.of(1, 2, 3))
  t.is(await cut(), 6)
  for (let i = 10; i < 26; i++) await cut({ cuts: [i] })
  t.is(await cut(), 23)
  t.is(await cut({ cuts: [25] }), 23)
  t.is(await cut({ cuts: [25], frames: 'f' }), 24)
})
