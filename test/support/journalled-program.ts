import { appendFileSync } from 'node:fs'
import { lastValueFrom, tap } from 'rxjs'
import { connect, type Tensors } from '../../config/index.js'
import { digitsFrames } from './digits-frames.js'

/**
 * A user's program that is killed and started again: it streams frames through a pipeline with a journal, goes on in its
 * source where the journal says, and writes each prediction down as a line. It prints a line when it is connected.
 */
const [url = '', journal = '', out = '', total = '0', distinct = '1'] = process.argv.slice(2)
const STREAM = 'camera'
const inputs = digitsFrames(Number(distinct))
const cluster = await connect(url, { journal })
const pipeline = await cluster.pipeline('digits')
pipeline.ledger$.subscribe(entry => {
  if (entry.end !== 'predicted') process.stderr.write(`${JSON.stringify(entry)}\n`)
})
process.stdout.write(`from ${pipeline.nextSequence(STREAM)}\n`)

function* source(): Generator<Tensors> {
  for (let i = pipeline.nextSequence(STREAM); i < Number(total); i++) yield inputs[i % inputs.length] ?? {}
}

const predictions = pipeline.pull(source()).pipe(
  pipeline.infer({ stream: STREAM }),
  tap(({ dispatcher, stream, sequence, outputs }) => {
    const logits = Array.from(outputs['logits']?.data ?? [], Number)
    appendFileSync(out, `${JSON.stringify({ dispatcher, stream, sequence, logits })}\n`)
  }),
)
await lastValueFrom(predictions, { defaultValue: undefined })
await cluster.close()
