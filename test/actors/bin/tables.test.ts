import test from 'ava'
import { planTable } from '../../../actors/bin/cli/tables.js'
import { planOf } from '../../support/dispatching.js'

test('the table of a plan - names the replicas of its stages where any has several', t => {
  const plan = planOf(1)
  const head = (text: string) => text.split('\n')[0]?.split(/\s+/).slice(0, 2)
  t.deepEqual(head(planTable(plan)), ['stage', 'worker'])
  const stages = plan.stages.flatMap(stage =>
    ['w1', 'w2'].map((worker, replica) => ({ ...stage, replica, worker })),
  )
  const lines = planTable({ ...plan, stages }).split('\n')
  t.deepEqual(head(lines.join('\n')), ['stage', 'replica'])
  t.deepEqual(
    lines.slice(2).map(line => line.trim().split(/\s+/).slice(0, 3)),
    [
      ['0', '0', 'w1'],
      ['0', '1', 'w2'],
    ],
  )
})
