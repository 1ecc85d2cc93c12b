import test from 'ava'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type PlanReport } from '../../../core/planner/index.js'
import { testFolder } from '../../support/actors.js'
import { millrace } from '../../support/cli.js'
import { inCheckout } from '../../support/index.js'

const DIGITS = inCheckout('examples/digits/digits.onnx')
const CLUSTER = inCheckout('config/clusters/eight-pi.yaml')

test.serial('plan - says where each stage runs, how fast that is, and what proves it', async t => {
  const folder = await testFolder(t)
  const svg = join(folder, 'plan.svg')
  const shared = ['--devices', CLUSTER, '--costs', join(folder, 'costs.json'), '--measure-ms', '1']
  const ended = await millrace([
    'plan',
    DIGITS,
    ...shared,
    '--svg',
    svg,
    '--json',
    '--what-if',
    'without pi-8',
  ])
  t.is(ended.status, 0, ended.stderr)
  t.deepEqual([ended.processes, ended.files], [[], []])
  const plan = JSON.parse(ended.stdout) as PlanReport & { whatIf: PlanReport }
  t.is(plan.model, 'digits.onnx')
  t.is(plan.devices.length, 8)
  t.is(plan.whatIf.devices.length, 7)
  t.true(plan.optimal && plan.gap === 0 && plan.lowerBoundMs === plan.bottleneckMs)
  t.true(Math.abs(plan.fps - 1_000 / plan.bottleneckMs) < 1e-9)
  t.is(plan.loads[0]?.ms, plan.bottleneckMs)
  t.is(plan.loads[0]?.resource, plan.bottleneck)
  t.true(plan.whatIf.bottleneckMs >= plan.bottleneckMs)
  t.deepEqual(Object.keys(plan.baselines), ['single', 'equal', 'random', 'greedy', 'kpath'])
  for (const ms of Object.values(plan.baselines)) t.true(ms === null || ms >= plan.bottleneckMs)
  const ends = plan.stages.map(({ from, to }) => [from, to])
  t.true(ends.every(([from], i) => from === (ends[i - 1]?.[1] ?? 0)))

  const people = await millrace(['plan', DIGITS, ...shared])
  t.regex(people.stdout, /^digits\.onnx on \d of 8 devices: [\d.]+ frames per second/m)
  t.regex(people.stdout, /^slowest: .* per frame \(proved: no plan is faster; /m)
  t.regex(people.stdout, /^stage +devices +blocks +compute ms +codec ms +memory +out +link ms$/m)
  t.regex(people.stdout, /^single +[\d.]+ m?s /m)

  const lossy = await millrace(['plan', DIGITS, ...shared, '--json', '--wire', 'u8', '--exclude', 'pi-8'])
  t.is((JSON.parse(lossy.stdout) as { wire: string }).wire, 'u8')

  const chosen = await millrace(['plan', DIGITS, ...shared, '--json', '--wire', 'auto'])
  const best = JSON.parse(chosen.stdout) as { wire: string; bottleneckMs: number }
  t.true(['f32', 'f16', 'u8c', 'u8'].includes(best.wire))
  t.true(best.bottleneckMs <= plan.bottleneckMs)

  const drawn = readFileSync(svg, 'utf8')
  t.regex(drawn, /^<svg .*<\/svg>\n$/s)
  t.true(drawn.includes(`>${plan.whatIf.bottleneck}</text>`))
  for (const { device } of plan.whatIf.stages) t.true(drawn.includes(device))
})

test.serial('plan - without devices, with strange ones, or with a file that is none, says so', async t => {
  const none = await millrace(['plan', DIGITS])
  t.is(none.status, 2)
  t.regex(none.stderr, /^error OPTION_INVALID: .*--devices FILE/m)
  const change = await millrace(['plan', DIGITS, '--devices', CLUSTER, '--what-if', 'add a Pi'])
  t.is(change.status, 2)
  t.regex(change.stderr, /^error OPTION_INVALID: 'add a Pi' is no change/m)
  const file = await millrace(['plan', DIGITS, '--devices', DIGITS])
  t.is(file.status, 1)
  t.regex(file.stderr, /^error CLUSTER_INVALID: /m)
})
