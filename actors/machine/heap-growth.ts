import { setFlagsFromString } from 'node:v8'

/** By how much the heap may grow, with the messages that it refers to, before it is collected anew; in percent. */
const GROWTH_PERCENT = 100

/**
 * For processes through which frames go. Their heap is small and hardly grows; V8 then collects it as soon as it and the
 * messages that it refers to are 10 % larger, so after a few MB of frames, and looks at all of it each time: more than half
 * as long as inference takes on a small machine (measured). Costs at most as much as the heap, in garbage; with half of
 * that, messages of 800 kB come through a link half as fast.
 */
export function collectSeldom(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
}
