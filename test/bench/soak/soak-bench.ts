import { loadavg } from 'node:os'
import { type Bench, benchOptions, UsageError } from '../bench.js'
import { table } from '../table.js'
import { thisMachine } from '../in-emulation.js'
import { soak, type Soaked } from './measure.js'

const MOST_MB_PER_MINUTE = 1
const MINUTES = 20
const FPS = 50

/** Whether anything grows while a stream goes on and on. */
export const soakBench: Bench = {
  options: '[--json] [--minutes M] [--fps N]',
  summary:
    'resident memory of every process while a stream goes through a chain of four: its slope in MB a minute after the warm-up, in ' +
    'which frames come five times as fast, and frames lost',
  run: async options => {
    const { json, minutes, fps } = settings(options)
    const stop = new AbortController()
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort())
    const soaked = await soak(minutes, fps, stop.signal)
    const problems = problemsOf(soaked)
    const held = problems.length === 0
    if (!json) console.log(`${report(soaked)}\n\n${held ? 'kept' : `MISSED: ${problems.join('; ')}`}`)
    const about = { minutes, offeredFps: fps, machine: thisMachine(), load: loadavg() }
    console.log(JSON.stringify({ bench: 'soak', ...about, held, problems, ...soaked }))
    return held && !stop.signal.aborted ? 0 : 1
  },
}

function settings(options: readonly string[]) {
  const values = benchOptions(options, {
    json: { type: 'boolean', default: false },
    minutes: { type: 'string', default: `${MINUTES}` },
    fps: { type: 'string', default: `${FPS}` },
  })
  const within = (option: 'minutes' | 'fps', least: number, most: number) => {
    const number = Number(values[option])
    if (number >= least && number <= most) return number
    throw new UsageError(`--${option} takes a number from ${least} to ${most}, not ${values[option]}`)
  }
  return { json: values.json, minutes: within('minutes', 0.1, 10_000), fps: within('fps', 1, 10_000) }
}

function problemsOf({ frames, memory }: Soaked): string[] {
  const { lost, failed } = frames
  return [
    ...(lost > 0 ? [`${lost} frames were lost`] : []),
    ...(failed > 0 ? [`${failed} frames failed`] : []),
    ...memory.flatMap(({ process, mbPerMinute }) =>
      mbPerMinute < MOST_MB_PER_MINUTE ? [] : [`${process} grew by ${mbPerMinute.toFixed(2)} MB a minute`],
    ),
  ]
}

function report({ seconds, fps, frames, memory }: Soaked): string {
  const { admitted, predicted, lost, failed, duplicates } = frames
  const said = `${predicted} of ${admitted} frames predicted in ${(seconds / 60).toFixed(1)} minutes, ${fps.toFixed(1)} a second; ${lost} lost, ${failed} failed, ${duplicates} duplicated`
  const rows = memory.map(({ process, firstMb, lastMb, mbPerMinute }) => [
    ...[process, firstMb.toFixed(1), lastMb.toFixed(1), mbPerMinute.toFixed(3)],
  ])
  return `${said}\n\n${table(['process', 'MB at first', 'at last', 'MB a minute'], rows)}`
}
