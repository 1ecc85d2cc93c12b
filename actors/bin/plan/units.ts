/** Such as `1.6 MB`: three digits, powers of 1,000. */
export function bytesText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  const [unit, size] = bytes < 1e6 ? ['kB', 1e3] : bytes < 1e9 ? ['MB', 1e6] : ['GB', 1e9]
  return `${Number((bytes / size).toPrecision(3))} ${unit}`
}

/** Such as `12.3 ms` or `4.43 s`. */
export function msText(ms: number): string {
  return ms < 1_000 ? `${Number(ms.toPrecision(3))} ms` : `${Number((ms / 1_000).toPrecision(3))} s`
}
