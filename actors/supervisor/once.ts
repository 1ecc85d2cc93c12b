/** Measures when it is first asked, and again only where it failed; undefined: nobody can. */
export function once<T>(measure: (() => Promise<T>) | undefined): (() => Promise<T>) | undefined {
  if (measure === undefined) return undefined
  let known: Promise<T> | undefined
  return () => {
    const asked = (known ??= measure())
    asked.catch(() => (known = undefined))
    return asked
  }
}
