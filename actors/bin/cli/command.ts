import { type Command, Option } from 'commander'
import { MillraceError } from '../../../core/errors.js'
import { type OptionRow, type Options, type OptionTable, parseOptions } from '../../../core/options.js'
import { type Session } from './session.js'

/** One command of the command line: a value, from which the program, its help and its checks are made. */
export interface CommandDefinition<T extends OptionTable = OptionTable> {
  readonly name: string
  /** Positional arguments, as commander writes them: `<model>`. */
  readonly arguments?: string
  readonly summary: string
  readonly options: T
  run(session: Session, options: Options<T>, args: readonly string[]): Promise<void>
}

/** Keeps the types of a definition's own options. */
export function defineCommand<const T extends OptionTable>(
  definition: CommandDefinition<T>,
): CommandDefinition<T> {
  return definition
}

/** Adds a definition to `program`; `execute` runs it. */
export function addCommand<T extends OptionTable>(
  program: Command,
  definition: CommandDefinition<T>,
  execute: (
    run: (session: Session) => Promise<void>,
    flags: { json: boolean; debug: boolean },
  ) => Promise<void>,
): void {
  const command = program.command(`${definition.name} ${definition.arguments ?? ''}`.trim())
  command.description(definition.summary).allowExcessArguments(false)
  for (const [key, row] of Object.entries(definition.options)) command.addOption(flagOf(key, row))
  command
    .option('--json', 'print JSON for machines')
    .option('--debug', 'print stack traces and the log of every part')
  command.action(async () => {
    const { json = false, debug = false, ...given } = command.opts<{ json?: boolean; debug?: boolean }>()
    const run = async (session: Session) => {
      const options = parseOptions(definition.options, given, `millrace ${definition.name}`)
      await definition.run(session, options, command.args)
    }
    await execute(run, { json, debug })
  })
}

function flagOf(key: string, row: OptionRow): Option {
  const flag = key.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
  const shown =
    row.default === undefined || row.default === false ? '' : ` (default: ${JSON.stringify(row.default)})`
  // A switch that is on can only be turned off.
  if (row.default === true) return new Option(`--no-${flag}`, `Turns this off: ${plain(row.doc)}`)
  return new Option(`--${flag}${valueOf(row)}`, plain(row.doc) + shown)
}

function valueOf({ value = '' }: OptionRow): string {
  return value === '' || value.startsWith('[') ? ` ${value}`.trimEnd() : ` <${value}>`
}

function plain(doc: string): string {
  return doc.replaceAll('`', '')
}

/** The one positional argument of a command. */
export function onlyArgument(args: readonly string[], what: string): string {
  const [only] = args
  if (only === undefined) throw new MillraceError('OPTION_INVALID', `${what} is missing`)
  return only
}
