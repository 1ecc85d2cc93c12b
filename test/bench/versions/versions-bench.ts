import { resolve } from 'node:path'
import { isClean } from '../../../actors/bin/chaos/checker.js'
import { summaryText } from '../../../actors/bin/chaos/text.js'
import { type Bench, benchOptions, UsageError } from '../bench.js'
import { table } from '../table.js'
import { changeVersions, type Measured, type Settings } from './version-changes.js'

/** The longest time without a prediction, in median times between two. */
const WANTED = 3

const LOAD = 0.5

/** What a stream notices of changes of the model's version. */
export const versionsBench: Bench = {
  options: '[--json] [--model FILE] [--load SHARE] [--workers N] [--partitions N] [--rounds N]',
  summary:
    `what a stream at ${LOAD} of what a pipeline does notices of new versions, canaries and rollbacks: frames lost, and the ` +
    'longest time without a prediction',
  run: async options => {
    const { json, ...settings } = settingsOf(options)
    const measured = await changeVersions(settings)
    const kept = isClean(measured.frames) && worstRatio(measured) <= WANTED
    if (!json) console.log(report(measured, settings.load))
    console.log(JSON.stringify({ bench: 'versions', ...settings, wanted: WANTED, kept, ...measured }))
    return kept ? 0 : 1
  },
}

/** @throws UsageError */
function settingsOf(options: readonly string[]): Settings & { readonly json: boolean } {
  const known = {
    json: { type: 'boolean', default: false },
    model: { type: 'string' },
    load: { type: 'string', default: `${LOAD}` },
    workers: { type: 'string', default: '2' },
    partitions: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
  } as const
  const values = benchOptions(options, known)
  const whole = (key: 'workers' | 'partitions' | 'rounds') => {
    const number = Number(values[key])
    if (Number.isSafeInteger(number) && number >= 1) return number
    throw new UsageError(`--${key} takes a whole number, not ${values[key]}`)
  }
  const load = Number(values.load)
  if (!(load > 0 && load <= 1)) throw new UsageError(`--load takes a share up to 1, not ${values.load}`)
  const model = values.model === undefined ? undefined : resolve(values.model)
  const counts = { workers: whole('workers'), partitions: whole('partitions'), rounds: whole('rounds') }
  return { json: values.json, model, load, ...counts }
}

function worstRatio({ changes, medianMs }: Measured): number {
  return Math.max(...changes.map(({ longestMs }) => longestMs / medianMs))
}

function report(measured: Measured, load: number): string {
  const { fps, medianMs, changes, frames } = measured
  const header = [
    'change',
    'took s',
    'predictions',
    'longest gap ms',
    `of the median, ${medianMs.toFixed(1)} ms`,
  ]
  const rows = changes.map(({ change, tookMs, predictions, longestMs }) => [
    change,
    (tookMs / 1_000).toFixed(2),
    String(predictions),
    longestMs.toFixed(1),
    `${(longestMs / medianMs).toFixed(2)}x`,
  ])
  const pace = `${(100 * load).toFixed()} % of ${fps.toFixed(1)} predictions a second; at most ${WANTED}x is wanted`
  return [pace, table(header, rows), summaryText(frames)].join('\n\n')
}
