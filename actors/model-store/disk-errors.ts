/** Tests whether the file system says one of these, such as `ENOSPC`. */
export function isOf(error: unknown, codes: readonly string[]): boolean {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code)
  )
}
