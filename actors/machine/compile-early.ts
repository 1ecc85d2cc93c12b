import { setFlagsFromString } from 'node:v8'

/** Of bytecode, that a function runs through between two looks at whether it is worth compiling. V8 has 66 or 132 kB. */
const BUDGET_BYTES = 10_000

/**
 * For processes that handle few frames a second, for hours. V8 compiles a function after it has run through much bytecode: at
 * eight frames a second after minutes, and until then a message takes about twice the processor time. Costs more of that in the
 * first half minute, for the compiler. To be called first: what has begun to count goes on as it began.
 */
export function compileEarly(): void {
  setFlagsFromString(`--interrupt-budget=${BUDGET_BYTES}`)
}
