import { type Speed } from './control/index.js'

/** How many times faster `a` is than `b`: the geometric mean over both kinds of work. */
export function relativeSpeed(a: Speed, b: Speed): number {
  return Math.sqrt((a.convGflops / b.convGflops) * (a.matmulGflops / b.matmulGflops))
}
