import { z } from 'zod'
import { MillraceError } from '../errors.js'

/** An operator as ONNX Runtime ran it, after its optimiser. */
export interface Kernel {
  readonly name: string
  readonly operator: string
  readonly ms: number
}

const KERNEL = '_kernel_time'
const RUN = 'model_run'

/** Times in microseconds. */
const event = z.object({
  cat: z.string(),
  name: z.string(),
  ts: z.number(),
  dur: z.number(),
  args: z.object({ op_name: z.string().optional() }).default({}),
})
type Event = z.infer<typeof event>

/**
 * The kernels of each run in a file of ONNX Runtime's profiler, in the order in which they ran. Those inside the body of
 * another (`If`, `Loop`, `Scan`) are part of its time, and left out.
 * @throws INTERNAL: it is none
 */
export function readTrace(text: string): Kernel[][] {
  const events = eventsOf(text)
  const kernels = outermost(
    events.filter(({ cat, name }) => cat === 'Node' && name.endsWith(KERNEL)).sort(byTime),
  )
  const runs = events.filter(({ cat, name }) => cat === 'Session' && name === RUN).sort(byTime)
  let next = 0
  return runs.map(run => {
    const own: Kernel[] = []
    for (; next < kernels.length; next++) {
      const kernel = kernels[next]
      if (kernel === undefined || kernel.ts > run.ts + run.dur) break
      own.push({
        name: kernel.name.slice(0, -KERNEL.length),
        operator: kernel.args.op_name ?? '',
        ms: kernel.dur / 1_000,
      })
    }
    return own
  })
}

function eventsOf(text: string): Event[] {
  try {
    return z.array(event).parse(JSON.parse(text))
  } catch (error) {
    throw new MillraceError('INTERNAL', "the file of ONNX Runtime's profiler is not as expected", {
      cause: error,
    })
  }
}

/** Earlier ones first; of those that begin together, the one that encloses the others. */
function byTime(a: Event, b: Event): number {
  return a.ts - b.ts || b.dur - a.dur
}

function outermost(events: readonly Event[]): Event[] {
  let end = -Infinity
  return events.filter(({ ts, dur }) => {
    if (ts < end) return false
    end = ts + dur
    return true
  })
}
