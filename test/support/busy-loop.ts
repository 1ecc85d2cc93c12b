/** A process that keeps one core busy, until whoever started it ends it or is gone. */
const TURN_MS = 50

process.on('disconnect', () => process.exit())
turn()

function turn(): void {
  const until = performance.now() + TURN_MS
  while (performance.now() < until);
  setImmediate(turn)
}
