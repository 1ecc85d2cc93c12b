import { createHash } from 'node:crypto'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type Costs, type Machine, parseCosts } from '../../core/costs/index.js'
import { MillraceError } from '../../core/errors.js'
import { writeWhole } from './write-whole.js'

/** Whose costs are looked for: those of a model, by its hash, on a machine. */
export interface CostsKey {
  readonly sha256: string
  readonly machine: Machine
}

/** @param given  left out: `millrace/profiles` in XDG_CACHE_HOME, or in ~/.cache */
export function profileFolder(given: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  const { XDG_CACHE_HOME: home = '' } = env
  const caches = isAbsolute(home) ? home : join(homedir(), '.cache')
  return resolve(given ?? join(caches, 'millrace', 'profiles'))
}

/** The name of a model's cost file in a folder of many. */
export function costsFileName({ sha256, machine }: CostsKey): string {
  const { cpu, cores, node, onnxruntime } = machine
  const hash = createHash('sha256')
    .update(JSON.stringify([cpu, cores, node, onnxruntime]))
    .digest('hex')
  return `${sha256}-${hash.slice(0, 12)}.json`
}

/**
 * @returns undefined where there is no file
 * @throws COSTS_INVALID: it cannot be used, for a reason that the message gives; COSTS_UNWRITABLE: it is something else,
 *   which must not be overwritten
 */
export async function readCosts(path: string, { sha256, machine }: CostsKey): Promise<Costs | undefined> {
  const content = await contentOf(path)
  if (content === undefined) return undefined
  if (!/^\s*(\{|$)/.test(content)) throw new MillraceError('COSTS_UNWRITABLE', `${path} holds something else`)
  const costs = parseCosts(content, path)
  if (costs.model.sha256 !== sha256) {
    throw new MillraceError('COSTS_INVALID', `${path} is of another model, ${costs.model.name}`)
  }
  if (!isDeepStrictEqual(costs.machine, machine)) {
    const { cpu, cores, node, onnxruntime } = costs.machine
    throw new MillraceError(
      'COSTS_INVALID',
      `${path} was measured elsewhere: ${cpu}, ${cores} cores, Node.js ${node}, ONNX Runtime ${onnxruntime}`,
    )
  }
  return costs
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw MillraceError.from(error, 'COSTS_UNWRITABLE', `${path}: `)
  }
}

/** @throws COSTS_UNWRITABLE */
export function writeCosts(path: string, costs: Costs): Promise<void> {
  return writeWhole(path, `${JSON.stringify(costs)}\n`)
}

/** Removes cost files of a folder, those first that were written first, until there are as many as are to stay. */
export async function thinCosts(folder: string, most: number): Promise<void> {
  const names = (await readdir(folder)).filter(name => /^[0-9a-f]{64}-[0-9a-f]{12}\.json$/.test(name))
  if (names.length <= most) return
  const writtenAt = (name: string) =>
    stat(join(folder, name)).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    )
  const files = await Promise.all(names.map(async name => ({ name, at: await writtenAt(name) })))
  const oldest = files.sort((a, b) => a.at - b.at).slice(0, files.length - most)
  for (const { name } of oldest) await rm(join(folder, name), { force: true })
}
