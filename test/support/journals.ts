import { cp } from 'node:fs/promises'
import { type ExecutionContext } from 'ava'
import { Journal, type JournalSettings } from '../../actors/journal/index.js'
import { type MillraceError } from '../../core/errors.js'
import { testFolder } from './actors.js'

export interface TestJournal {
  readonly journal: Journal
  readonly troubles: MillraceError[]
}

/** A journal that is closed with the test. */
export async function testJournal(
  t: ExecutionContext,
  path: string,
  settings: Partial<JournalSettings> = {},
): Promise<TestJournal> {
  const troubles: MillraceError[] = []
  const onTrouble = (error: MillraceError) => void troubles.push(error)
  const journal = await Journal.open(path, { maxBytes: 2 ** 20, sync: false, onTrouble, ...settings })
  t.teardown(() => journal.close())
  return { journal, troubles }
}

/** A journal's folder as a crash of its process in this instant would leave it. */
export async function crashed(t: ExecutionContext, path: string): Promise<string> {
  const copy = await testFolder(t)
  await cp(path, copy, { recursive: true })
  return copy
}
