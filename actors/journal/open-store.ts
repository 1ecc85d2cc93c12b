import { readdir } from 'node:fs/promises'
import { MillraceError } from '../../core/errors.js'
import { makeFolder } from '../machine/index.js'
import { claim, ownerOf, wasClaimed } from './owner.js'
import { keys } from './keys.js'
import { codeOf, corrupt, failed, Store, type StoreSettings } from './store.js'

/** Without it LevelDB begins anew, and removes what it finds. */
const LEVEL_FILE = 'CURRENT'

/**
 * The store in a folder, which is made where it is not there.
 * @throws JOURNAL_IN_USE, JOURNAL_CORRUPT, JOURNAL_FAILED
 */
export async function openStore(path: string, settings: StoreSettings): Promise<Store> {
  try {
    await makeFolder(path)
    const files = await readdir(path)
    const fresh = !(await wasClaimed(path))
    if (!fresh && !files.includes(LEVEL_FILE)) throw corrupt(path, `it has no file ${LEVEL_FILE}`)
    if (fresh && files.length > 0 && !files.includes(LEVEL_FILE))
      throw new MillraceError('JOURNAL_FAILED', `'${path}' has other files in it: choose an empty folder`)
    return await claimed(path, await Store.open(path, settings), fresh)
  } catch (error) {
    throw await explained(path, error)
  }
}

async function claimed(path: string, store: Store, fresh: boolean): Promise<Store> {
  try {
    if (!fresh && !store.records.has(keys.id)) throw corrupt(path, 'its records are missing')
    await claim(path)
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

async function explained(path: string, error: unknown): Promise<MillraceError> {
  const cause = error instanceof Error ? error.cause : undefined
  if (codeOf(cause) !== 'LEVEL_LOCKED') return failed(path, error)
  const who = await ownerOf(path)
  const way = 'end that, or choose another folder'
  return new MillraceError('JOURNAL_IN_USE', `the journal '${path}' is open in ${who}; ${way}`, {
    cause: error,
  })
}
