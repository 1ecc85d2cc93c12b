import { Command } from 'commander'
import { z } from 'zod'
import { addCommand } from '../../../actors/bin/cli/command.js'
import { commands } from '../../../actors/bin/commands/index.js'
import { inferOptions } from '../../../actors/dispatcher/index.js'
import { deployOptions } from '../../../actors/supervisor/index.js'
import { brokerLimits } from '../../../broker/index.js'
import { programOptions } from '../../../config/connect.js'
import { embeddedOptions } from '../../../config/embedded.js'
import { type ErrorRow, ERRORS } from '../../../core/errors.js'
import { type OptionRow, type OptionTable } from '../../../core/options.js'
import { type Sections } from './fill.js'

/** Every table of options and errors, as Markdown made from the tables that the code works with. */
export function generatedSections(): Sections {
  return {
    'connect options': optionsTable(programOptions),
    'embedded options': optionsTable(embeddedOptions),
    'deploy options': optionsTable(deployOptions),
    'infer options': optionsTable(inferOptions),
    'broker limits': optionsTable(brokerLimits),
    commands: commandTables(),
    errors: errorsTable(ERRORS),
  }
}

export function optionsTable(table: OptionTable): string {
  return markdown(
    ['option', 'value', 'default', 'what it is'],
    Object.entries(table).map(([key, row]) => [`\`${key}\``, ...rowCells(row)]),
  )
}

export function errorsTable(errors: Readonly<Record<string, ErrorRow>>): string {
  return markdown(
    ['code', 'what went wrong', 'what to do', 'retryable'],
    Object.entries(errors).map(([code, { meaning, remedy, retryable }]) => [
      `\`${code}\``,
      meaning,
      remedy,
      retryable ? 'yes' : 'no',
    ]),
  )
}

/** One table for each command, with the flags that the command line really has. */
function commandTables(): string {
  const program = new Command()
  const sections = commands.map(definition => {
    addCommand(program, definition, async () => {})
    const command = program.commands.at(-1)
    const rows = (command?.options ?? []).flatMap(option => {
      const row = definition.options[option.attributeName()]
      return row === undefined
        ? []
        : [[`\`${option.long}\``, ...rowCells(option.negate ? switchedOff(row) : row)]]
    })
    const usage = `millrace ${definition.name} ${definition.arguments ?? ''}`.trim()
    const table = markdown(['option', 'value', 'default', 'what it is'], rows)
    return `### \`${usage}\`\n\n${definition.summary}\n\n${table}`
  })
  return sections.join('\n\n')
}

/** A switch that turns off what is on by default: as a user sees it, it is not given by default. */
function switchedOff(row: OptionRow): OptionRow {
  return { ...row, default: false }
}

function rowCells(row: OptionRow): string[] {
  const none = row.required === true ? 'required' : ''
  return [valuesOf(row), row.default === undefined ? none : `\`${textOf(row.default)}\``, row.doc]
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

interface Shape {
  readonly type?: string
  readonly enum?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
}

/** What the option's check lets through: choices, or a unit and a range. */
export function valuesOf({ check, value = '' }: OptionRow): string {
  const shape = z.toJSONSchema(check, { io: 'output' }) as Shape
  if (shape.enum !== undefined) return shape.enum.map(choice => `\`${choice}\``).join(' or ')
  if (shape.type === 'boolean') return 'yes or no'
  return shape.type === 'integer' ? `${value}, ${rangeOf(shape)}` : value
}

function rangeOf({ minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER }: Shape): string {
  return maximum === Number.MAX_SAFE_INTEGER
    ? `${grouped(minimum)} or more`
    : `${grouped(minimum)} to ${grouped(maximum)}`
}

function grouped(value: number): string {
  return value.toLocaleString('en')
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
