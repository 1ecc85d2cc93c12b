import test, { type ExecutionContext } from 'ava'
import { Subject } from 'rxjs'
import { type Plan } from '../../../core/control/index.js'
import { type Tensor } from '../../../core/tensor.js'
import { row, settled } from '../../support/actors.js'
import { Desk, planOf, TestTime } from '../../support/dispatching.js'

/** @returns how many frames are under way after 100 results, of which one comes every 10 ms */
async function underWay(t: ExecutionContext, change: Partial<Plan>): Promise<number> {
  const time = new TestTime()
  const desk = await Desk.open(t, planOf(1, { window: 40, leastWindow: 4, ...change }), time)
  const source = new Subject<Tensor>()
  source.pipe(desk.dispatcher.infer()).subscribe({ error: () => {} })
  for (let i = 0; i < 300; i++) source.next(row(i, i))
  await settled()
  for (let i = 0; i < 100; i++) {
    time.pass(10)
    desk.answer(i)
    await settled()
  }
  return desk.sent.length - 100
}

function predicted(latencyMs: number): Partial<Plan> {
  return { predicted: { bottleneckMs: 10, bottleneck: 'w1', fps: 100, latencyMs, unused: [] } }
}

test('entry - the more parts of the way are about as busy as the slowest, the more frames are under way', async t => {
  const [one, two, eight] = [
    await underWay(t, predicted(10)),
    await underWay(t, predicted(20)),
    await underWay(t, predicted(80)),
  ]
  t.true(one >= 4 && two > one && eight > 2 * two, `${one}, ${two} and ${eight}`)
})

test('entry - of a plan that predicts nothing, each stage counts', async t => {
  t.is(await underWay(t, {}), await underWay(t, predicted(10)))
})
