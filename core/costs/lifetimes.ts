/** An operator, as far as lifetimes go. */
export interface Step {
  readonly reads: readonly string[]
  readonly gives: readonly string[]
}

/**
 * Bytes of tensors that live while each step runs. A tensor lives from the step that gives it, or from the first one on if
 * it comes from outside, to the last step that reads it, both included; one that nobody reads, while the step runs that
 * gives it; one that leaves, to the end.
 * @param arriving  tensors that are there before the first step
 * @param leaving  tensors that are needed after the last
 * @param bytesOf  of a tensor; 0 for a constant
 */
export function liveBytes(
  steps: readonly Step[],
  { arriving, leaving }: { readonly arriving: readonly string[]; readonly leaving: readonly string[] },
  bytesOf: (name: string) => number,
): number[] {
  const dies = new Map<string, number>()
  for (const [at, { reads, gives }] of steps.entries()) {
    for (const name of gives) dies.set(name, at)
    for (const name of reads) dies.set(name, at)
  }
  for (const name of leaving) dies.set(name, steps.length)
  const living = new Set(arriving.filter(name => dies.has(name)))
  let bytes = [...living].reduce((sum, name) => sum + bytesOf(name), 0)
  return steps.map(({ reads, gives }, at) => {
    for (const name of gives) {
      if (!living.has(name)) bytes += bytesOf(name)
      living.add(name)
    }
    const here = bytes
    for (const name of [...reads, ...gives]) {
      if (dies.get(name) === at && living.delete(name)) bytes -= bytesOf(name)
    }
    return here
  })
}
