import { type z } from 'zod'
import { MillraceError } from './errors.js'

/** One option: its check and type, its default, and one sentence of documentation. */
export interface OptionRow<T = unknown> {
  readonly check: z.ZodType<T>
  /** Left out where there is none: then the option may be absent, unless it is `required`. */
  readonly default?: T
  readonly required?: true
  readonly doc: string
  /**
   * How the command line shows the value, such as `URL` or `N`, in square brackets where the option may be given without
   * one, which stands for `true`; left out for a switch, which is `--no-...` where the default is true.
   */
  readonly value?: string
}

export type OptionTable = Readonly<Record<string, OptionRow>>

type TypeOf<R> = R extends { check: z.ZodType<infer T> } ? T : never
type Given<R> = R extends { default: unknown } | { required: true } ? true : false

/** What `parseOptions` makes of a table: every option with a default or `required` is there. */
export type Options<T extends OptionTable> = {
  readonly [K in keyof T as Given<T[K]> extends true ? K : never]: TypeOf<T[K]>
} & { readonly [K in keyof T as Given<T[K]> extends true ? never : K]?: TypeOf<T[K]> | undefined }

/** What a caller passes: everything but the required options may be left out. */
export type OptionsInput<T extends OptionTable> = {
  readonly [K in keyof T as T[K] extends { required: true } ? K : never]: TypeOf<T[K]>
} & { readonly [K in keyof T as T[K] extends { required: true } ? never : K]?: TypeOf<T[K]> | undefined }

/** A table whose rows keep their own types. */
export function defineOptions<const T extends OptionTable>(table: T): T {
  return table
}

/**
 * `input` with defaults filled in.
 * @param where  names the caller in messages, such as `deploy`
 * @throws OPTION_UNKNOWN: a key that the table lacks; OPTION_INVALID: a value that fails its check, or none where
 *   one is required
 */
export function parseOptions<T extends OptionTable>(
  table: T,
  input: Readonly<Record<string, unknown>>,
  where: string,
): Options<T> {
  const unknown = Object.keys(input).find(key => !Object.hasOwn(table, key))
  if (unknown !== undefined) {
    throw new MillraceError(
      'OPTION_UNKNOWN',
      `${where} has no option '${unknown}'; it has ${Object.keys(table).join(', ') || 'none'}`,
    )
  }
  const entries = Object.entries(table).flatMap(([key, row]) => {
    const value = input[key] === undefined ? row.default : input[key]
    if (value === undefined && row.required !== true) return []
    return [[key, checked(row, key, value, where)] as const]
  })
  return Object.fromEntries(entries) as Options<T>
}

/** Of options that several tables were joined for, those of one table. */
export function pickOptions<T extends OptionTable>(table: T, options: Options<T>): Options<T> {
  return Object.fromEntries(
    Object.entries(options).filter(([key]) => Object.hasOwn(table, key)),
  ) as Options<T>
}

function checked(row: OptionRow, key: string, value: unknown, where: string): unknown {
  const result = row.check.safeParse(value)
  if (result.success) return result.data
  const reason =
    value === undefined ? 'it is required' : result.error.issues.map(({ message }) => message).join('; ')
  throw new MillraceError('OPTION_INVALID', `${where}: option '${key}': ${reason}`)
}
