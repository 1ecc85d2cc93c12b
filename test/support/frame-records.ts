import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { type Told } from '../../actors/bin/chaos/checker.js'
import { type Prediction } from '../../config/index.js'
import { type FrameIdentity } from '../../core/frame.js'
import { type LedgerEntry } from '../../core/ledger.js'
import { DTYPES, tensor, type Tensors } from '../../core/tensor.js'

/** What a pipeline told of a frame, and when: ms since the Unix epoch. */
export type FrameRecord = { readonly at: number } & (
  | { readonly kind: 'admitted'; readonly frame: FrameIdentity }
  | { readonly kind: 'predicted'; readonly prediction: Prediction }
  | { readonly kind: 'ended'; readonly entry: LedgerEntry }
)

/** Writes all that a pipeline tells of its frames to a file, each thing before the next happens: a kill takes nothing back. */
export function recordFrames({ frames$, predictions$, ledger$ }: Told, path: string): void {
  const write = (record: object) =>
    appendFileSync(path, `${JSON.stringify({ at: performance.timeOrigin + performance.now(), ...record })}\n`)
  frames$.subscribe(({ dispatcher, stream, sequence }) =>
    write({ kind: 'admitted', frame: { dispatcher, stream, sequence } }),
  )
  predictions$.subscribe(prediction =>
    write({ kind: 'predicted', prediction: { ...prediction, outputs: plain(prediction.outputs) } }),
  )
  ledger$.subscribe(entry => write({ kind: 'ended', entry }))
}

/** What has been written so far; a line that a kill cut off is none. Outputs are of float32. */
export function recordsIn(path: string): FrameRecord[] {
  if (!existsSync(path)) return []
  const whole = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return whole.map(line => JSON.parse(line, revived) as FrameRecord)
}

export function predictionsAmong(records: readonly FrameRecord[]): Prediction[] {
  return records.flatMap(record => (record.kind === 'predicted' ? [record.prediction] : []))
}

interface PlainTensor {
  readonly float32: number[]
  readonly dims: number[]
}

function plain(outputs: Tensors): Record<string, PlainTensor> {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { dtype, dims, data }]) => {
      if (dtype !== 'float32') throw new Error(`output ${name} is ${dtype}: only float32 can be recorded`)
      return [name, { float32: Array.from(data, Number), dims: [...dims] }]
    }),
  )
}

function revived(_key: string, value: unknown): unknown {
  const isTensor = (one: unknown): one is PlainTensor =>
    typeof one === 'object' && one !== null && 'float32' in one && 'dims' in one
  return isTensor(value) ? tensor('float32', value.dims, DTYPES.float32.array.from(value.float32)) : value
}
