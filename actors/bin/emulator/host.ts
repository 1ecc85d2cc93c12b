import { MillraceError } from '../../../core/errors.js'
import { runTool } from './tools.js'

/** What of a machine decides whether it can emulate devices. */
export interface HostFacts {
  readonly platform: string
  /** Of the user, effective; undefined where the system has none. */
  readonly uid: number | undefined
}

/** @throws EMULATOR_UNAVAILABLE: this is not Linux, or the user is not root, or a program is missing */
export async function checkHost(
  { platform, uid }: HostFacts = { platform: process.platform, uid: process.geteuid?.() },
  run: (words: readonly string[]) => Promise<string> = runTool,
): Promise<void> {
  if (platform !== 'linux') throw unavailable(`it takes Linux, and this is ${platform}`)
  if (uid !== 0) throw unavailable('it takes root to make network namespaces; run it with sudo')
  const packages = { ip: 'iproute2', tc: 'iproute2', nsenter: 'util-linux' }
  for (const [program, name] of Object.entries(packages)) {
    await run([program, '-V']).catch((cause: unknown) => {
      throw unavailable(`\`${program}\` does not run; on Debian, apt-get install ${name}`, cause)
    })
  }
}

function unavailable(message: string, cause?: unknown): MillraceError {
  return new MillraceError('EMULATOR_UNAVAILABLE', message, { cause })
}
