import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { MillraceError, messageOf } from '../../../core/errors.js'

/** Where `ip` and `tc` are on systems that keep them from ordinary users. */
const PATH = [process.env['PATH'], '/usr/sbin', '/sbin'].join(':')

/**
 * Runs a program to its end.
 * @param input  lines for its standard input
 * @returns its standard output
 * @throws EMULATOR_UNAVAILABLE: there is no such program, or it failed; the message has what it said
 */
export async function runTool(words: readonly string[], input: readonly string[] = []): Promise<string> {
  const [program = '', ...args] = words
  // A Ctrl-C goes to all processes of the terminal: what is half done then could not be taken back.
  const child = spawn(program, args, { env: { ...process.env, PATH, LC_ALL: 'C' }, detached: true })
  const failed = (how: string) => new MillraceError('EMULATOR_UNAVAILABLE', `'${words.join(' ')}' ${how}`)
  const output = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  // A program that ends before it has read all says why on its standard error.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input.map(line => `${line}\n`).join(''))
  const [stdout, stderr, [status]] = (await output.catch((error: unknown) => {
    throw failed(`cannot be run: ${messageOf(error)}`)
  })) as [string, string, [number | null]]
  if (status === 0) return stdout
  throw failed(`failed: ${stderr.trim().split('\n').join('; ')}`)
}
