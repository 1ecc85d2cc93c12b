import { isClean } from '../../../actors/bin/chaos/checker.js'
import { table } from '../../bench/table.js'
import { type FrozenResult } from './frozen-consumer.js'

const MOST_GROWTH_MB = 64
const LEAST_RATIO = 0.95

/** What was to stay as it is and did not. */
export function frozenProblems({ memory, other, consumed, frames, mishaps }: FrozenResult): string[] {
  const said: [boolean, string][] = [
    ...memory.map(({ process, before, during }): [boolean, string] => [
      !(during - before <= MOST_GROWTH_MB),
      `${process} grew from ${before} to ${during} MB`,
    ]),
    [
      !(other.during >= LEAST_RATIO * other.before),
      `the other pipeline had ${other.during} of its ${other.before} frames a second`,
    ],
    [!(consumed.during > 0), 'the pipeline whose consumer was frozen stood still'],
    [mishaps.length > 0, `the sensor was answered ${mishaps[0]}`],
    [!isClean(frames.other), 'frames of the other pipeline were lost, duplicated, misordered or wrong'],
    [!isClean(frames.stage), 'frames of the frozen pipeline were lost, duplicated, misordered or wrong'],
  ]
  return said.flatMap(([is, problem]) => (is ? [problem] : []))
}

export function memoryTable({ memory }: FrozenResult): string {
  const rows = memory.map(({ process, before, during }) => [
    process,
    ...[before, during, during - before].map(mb => mb.toFixed(1)),
  ])
  return table(['process, MB', 'before', 'at the end of the freeze', 'more'], rows)
}

export function ratesTable({ other, consumed, stage }: FrozenResult): string {
  const rows = Object.entries({
    other,
    'whose consumer is frozen': consumed,
    'whose last stage is frozen': stage,
  })
  return table(
    ['pipeline, frames a second', 'before', 'during', 'ratio', 'without', 'ratio', 'worst second'],
    rows.map(([name, { before, during, without, least }]) => [
      ...[name, `${before}`, `${during}`, ratio(during, before), `${without}`, ratio(during, without)],
      `${least}`,
    ]),
  )
}

function ratio(during: number, other: number): string {
  return other === 0 ? '-' : (during / other).toFixed(2)
}
