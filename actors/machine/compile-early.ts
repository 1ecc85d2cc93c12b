import { setFlagsFromString } from 'node:v8'

/**
 * For processes that handle few frames a second, for hours. V8 compiles a function after it has run through much bytecode: at
 * eight frames a second after minutes, and until then a message takes about twice the processor time. Costs more of that in the
 * first half minute, for the compiler. To be called first: what has begun to count goes on as it began.
 */
export function compileEarly(): void {
  const flag = earlierIn(Number.parseInt(process.versions.v8, 10))
  if (flag !== undefined) setFlagsFromString(flag)
}

/** Node 20 counts bytes of bytecode (otherwise 132 kB), Node 22 calls (3,000); from Node 24 on Maglev compiles after 400. */
function earlierIn(v8: number): string | undefined {
  if (v8 < 12) return '--interrupt-budget=10000'
  if (v8 < 13) return '--invocation-count-for-turbofan=400'
  return undefined
}
