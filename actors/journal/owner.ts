import { readFile, rename, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { z } from 'zod'

const Owner = z.object({ pid: z.number(), program: z.string(), since: z.string() })

/** Beside LevelDB's own files. */
const FILE = 'owner.json'

/** Says in a journal's folder who has it: LevelDB's lock does not. */
export async function claim(path: string): Promise<void> {
  const program = basename(process.argv[1] ?? process.title)
  const owner = { pid: process.pid, program, since: new Date().toISOString() }
  const draft = join(path, `${FILE}.new`)
  await writeFile(draft, JSON.stringify(owner))
  await rename(draft, join(path, FILE))
}

/** Whether somebody has ever had it. */
export async function wasClaimed(path: string): Promise<boolean> {
  return (await readOwner(path)) !== undefined
}

/** Who has it, for a message. */
export async function ownerOf(path: string): Promise<string> {
  const owner = Owner.safeParse(parsed(await readOwner(path))).data
  if (owner === undefined) return 'another process'
  if (owner.pid === process.pid) return 'this process'
  return `process ${owner.pid} ('${owner.program}'), since ${owner.since}`
}

function readOwner(path: string): Promise<string | undefined> {
  return readFile(join(path, FILE), 'utf8').catch(() => undefined)
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}
