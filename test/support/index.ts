import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The root of the checkout, seen from `dist/test/support`. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** An absolute path inside the checkout. */
export function inCheckout(path: string): string {
  return `${ROOT}${path}`
}

/**
 * The bytes of a model that this project did not write, or undefined where the folder of shared models is absent:
 * then a test logs that and passes.
 */
export function sharedModel(name: string): Uint8Array | undefined {
  const path = sharedModelPath(name)
  return existsSync(path) ? readFileSync(path) : undefined
}

export function sharedModelPath(name: string): string {
  return inCheckout(`../shared/models/${name}`)
}
