import { join, resolve } from 'node:path'
import { temporaryFolder } from '../../../config/hosts.js'
import { openModel } from '../../../config/model-source.js'
import { type Costs } from '../../../core/costs/index.js'
import { MillraceError } from '../../../core/errors.js'
import { type Options } from '../../../core/options.js'
import { type PixelInputs } from '../../../core/sensing/index.js'
import {
  type CostsKey,
  costsFileName,
  measureCosts,
  profileFolder,
  type profileOptions,
  readCosts,
  thisMachine,
  writeCosts,
} from '../../profiler/index.js'
import { modelFileOf } from '../cli/model-file.js'
import { type Session } from '../cli/session.js'
import { forkProbe } from './fork-probe.js'

type ProfileOptions = Options<typeof profileOptions> & { readonly input?: PixelInputs | undefined }

/** What a model costs on this machine: as it was measured before, or measured now and kept. */
export async function obtainCosts(session: Session, title: string, given: ProfileOptions): Promise<Costs> {
  const { model } = await openModel(title, given.input)
  const key = { sha256: model.sha256, machine: thisMachine() }
  const path = resolve(given.out ?? join(profileFolder(given.profileDir), costsFileName(key)))
  if (path === resolve(title)) {
    throw new MillraceError('OPTION_INVALID', `--out ${given.out} is the model itself`)
  }
  const kept = await keptCosts(session, path, key, given)
  const costs = kept ?? (await measure(session, title, given))
  if (kept === undefined) await writeCosts(path, costs)
  session.say(`${kept === undefined ? 'kept in' : `measured on ${costs.measuredAt}, from`} ${path}`)
  return costs
}

/** Undefined where there are none that can be used; it is said why, if there is something. */
async function keptCosts(
  session: Session,
  path: string,
  key: CostsKey,
  { force }: ProfileOptions,
): Promise<Costs | undefined> {
  try {
    const costs = await readCosts(path, key)
    return force ? undefined : costs
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'COSTS_INVALID') throw error
    if (!force) session.warn(new MillraceError('COSTS_INVALID', `${error.message}; it is measured again`))
    return undefined
  }
}

async function measure(session: Session, model: string, given: ProfileOptions): Promise<Costs> {
  session.say(`measuring ${model} ...`)
  const { measureMs: budgetMs, limitMs } = given
  const file = await modelFileOf(session, model, given.input)
  const folder = await temporaryFolder('profile', session.cleanup)
  const spawn = () => forkProbe(session.debug)
  return measureCosts(file, { spawn, folder, budgetMs, limitMs, signal: session.signal })
}
