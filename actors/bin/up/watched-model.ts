import { basename, dirname, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type Cluster } from '../../../config/cluster.js'
import { openModel, pipelineNameOf } from '../../../config/model-source.js'
import { type ModelFiles } from '../../../core/control/index.js'
import { MillraceError } from '../../../core/errors.js'
import { versionOf } from '../../../core/versions.js'
import { type Session } from '../cli/session.js'
import { nextState } from './file-changes.js'

/** What failed for a reason that may pass is tried again after this. */
const AGAIN_MS = 5_000

/** Keeps a pipeline at the version that is in a file. */
export class WatchedModel {
  readonly pipeline: string
  private deployed: ModelFiles | undefined
  private files: readonly string[]

  constructor(
    private readonly session: Session,
    private readonly cluster: Cluster,
    private readonly file: string,
  ) {
    this.pipeline = pipelineNameOf(basename(file))
    this.files = [file]
  }

  /** Deploys the file, and again whenever it has changed, until the session ends. */
  async follow(): Promise<void> {
    const { session } = this
    let state = ''
    try {
      for (;;) {
        state = await nextState(this.files, state, session.signal)
        const failure = await this.deploy()
        if (session.ending) return
        if (failure === undefined) continue
        this.report(failure)
        if (!failure.retryable) continue
        await setTimeout(AGAIN_MS, undefined, { signal: session.signal })
        state = ''
      }
    } catch (error) {
      if (!session.ending) session.warn(MillraceError.from(error))
    }
  }

  /** @returns why it could not */
  private async deploy(): Promise<MillraceError | undefined> {
    const { session, file, cluster, pipeline: name } = this
    try {
      const { model } = await openModel(file)
      this.files = [file, ...(model.data ?? []).map(({ location }) => resolve(dirname(file), location))]
      if (JSON.stringify(model) === JSON.stringify(this.deployed)) return undefined
      session.say(`deploying ${file} ...`)
      const pipeline = await cluster.deploy(file, { name })
      this.deployed = model
      const version = versionOf(model)
      session.print(`version ${version} of '${name}' is ready, of ${file}`, {
        watched: file,
        pipeline: name,
        version,
      })
      await pipeline.close()
      return undefined
    } catch (error) {
      return MillraceError.from(error)
    }
  }

  private report({ code, message }: MillraceError): void {
    const { deployed, file, pipeline } = this
    const still = deployed === undefined ? '' : `; version ${versionOf(deployed)} of '${pipeline}' goes on`
    this.session.warn(new MillraceError(code, `${file} is not deployed: ${message}${still}`))
  }
}

/** @throws OPTION_INVALID: two files are of one pipeline's name */
export function refuseAlike(files: readonly string[]): void {
  const names = files.map(file => pipelineNameOf(basename(file)))
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice === undefined) return
  throw new MillraceError('OPTION_INVALID', `--watch: two of the files are of pipeline '${twice}'`)
}
