/** What may lie free at the end of the memory that the process has from the system. */
const FREE_BYTES = 32 * 2 ** 20
/** What is larger is given back to the system at once. */
const LARGE_BYTES = 16 * 2 ** 20
/** Each keeps free memory of its own; by default there are eight for each core. */
const ARENAS = 2

/**
 * The environment of a process through which frames go, for glibc, which otherwise gives the memory of each large message and
 * tensor back to the system, has it anew for the next, and the system clears it page by page: 9 % of the processor time of a
 * message of 800 kB (measured). Costs about 30 MB a process. What the user has set stays.
 */
export function keepingMemory(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return {
    MALLOC_TRIM_THRESHOLD_: `${FREE_BYTES}`,
    MALLOC_MMAP_THRESHOLD_: `${LARGE_BYTES}`,
    MALLOC_ARENA_MAX: `${ARENAS}`,
    ...env,
  }
}
