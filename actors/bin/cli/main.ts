import { Command, CommanderError } from 'commander'
import { readFileSync } from 'node:fs'
import { MillraceError } from '../../../core/errors.js'
import { addCommand, type CommandDefinition } from './command.js'
import { Session } from './session.js'

/** Exit statuses: it went well, it failed, it was used wrongly. A signal's is 128 and its number. */
const OK = 0
const FAILED = 1
const MISUSED = 2
/** One Ctrl-C may come twice: from the terminal, and passed on by npm. A later one means at once. */
const ONE_KEYPRESS_MS = 1_000
const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const

/** Parses the arguments, runs the command, stops it in order, and gives the exit status. */
export async function main(
  definitions: readonly CommandDefinition[],
  argv: readonly string[],
): Promise<number> {
  let status: number = OK
  const program = new Command('millrace')
    .description('Runs one neural network across several small machines.')
    .version(version())
    .exitOverride()
    // What stands behind `--` is for the command.
    .enablePositionalOptions()
    .configureOutput({ writeErr: () => undefined })
  for (const definition of definitions) {
    addCommand(program, definition, async (run, { json, debug }) => {
      status = await execute(new Session(json, debug), run)
    })
  }
  try {
    await program.parseAsync(argv, { from: 'user' })
    return status
  } catch (error) {
    return misuse(error, argv, program)
  }
}

async function execute(session: Session, run: (session: Session) => Promise<void>): Promise<number> {
  const signalled = listenForStop(session)
  let status: number = OK
  try {
    await run(session)
    status = session.status
  } catch (error) {
    if (signalled() === undefined) status = report(error, session.json, session.debug)
  }
  await session.finish()
  return signalled() ?? status
}

/** @returns the exit status that a signal asks for, once there was one */
function listenForStop(session: Session): () => number | undefined {
  let status: number | undefined
  let signalledAt = 0
  for (const [name, number] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      if (name === 'SIGHUP' && session.detached) return
      if (status !== undefined && Date.now() - signalledAt > ONE_KEYPRESS_MS) process.exit(128 + number)
      if (status !== undefined) return
      signalledAt = Date.now()
      status = 128 + number
      session.stop(`stopped by ${name}`)
    })
  }
  // A parent that is gone without a word, even by SIGKILL, closes the channel.
  const orphaned = () => {
    if (!session.detached) session.stop('the parent process is gone')
  }
  process.on('disconnect', orphaned)
  // It may have gone while this program was being loaded; `connected` is undefined where there was none to begin with.
  if ((process.connected as boolean | undefined) === false) orphaned()
  return () => status
}

function report(thrown: unknown, json: boolean, debug: boolean): number {
  const error = MillraceError.from(thrown)
  if (process.connected) process.send?.({ type: 'failed', error: error.toInfo() })
  const { code, message, remedy } = error
  if (json) process.stdout.write(`${JSON.stringify({ error: { code, message, remedy } })}\n`)
  else process.stderr.write(`error ${code}: ${message}\n  ${remedy}\n`)
  if (debug)
    process.stderr.write(
      `${error.stack}\n${error.cause instanceof Error ? `caused by ${error.cause.stack}\n` : ''}`,
    )
  return code === 'OPTION_INVALID' || code === 'OPTION_UNKNOWN' ? MISUSED : FAILED
}

/** commander throws for help and version too; both have been printed then. */
function misuse(thrown: unknown, argv: readonly string[], program: Command): number {
  if (!(thrown instanceof CommanderError))
    return report(thrown, argv.includes('--json'), argv.includes('--debug'))
  if (thrown.exitCode === 0) return OK
  if (thrown.code === 'commander.help') {
    process.stderr.write(program.helpInformation())
    return MISUSED
  }
  const code = thrown.code === 'commander.unknownOption' ? 'OPTION_UNKNOWN' : 'OPTION_INVALID'
  const message = thrown.message.replace(/^error: /, '')
  return report(new MillraceError(code, message), argv.includes('--json'), argv.includes('--debug'))
}

function version(): string {
  const text = readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
