import { type ChildProcess, execFile, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Undo } from './undo.js'

/** What `npx millrace` runs; without npx in between, signals reach it. */
const MILLRACE = fileURLToPath(new URL('../../actors/bin/millrace.js', import.meta.url))
/** Debian has Mosquitto in a folder that is not on everybody's path. */
const ENV = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/usr/local/sbin` }
const NO_BROKER =
  'Mosquitto cannot be started. Install it (apt-get install mosquitto), or run another broker ' +
  '(node dist/actors/bin/millrace.js broker) and give its URL: BROKER=mqtt://127.0.0.1:1883'
const GRACE_MS = 10_000

/** A command of the command line that goes on, as a process of its own. Resolves when it is up. */
export async function startMillrace(undo: Undo, args: readonly string[]): Promise<ChildProcess> {
  // `fork` opens a channel, over which the process notices when this one is gone, however it ended. It is detached
  // because a terminal sends Ctrl-C to all that are not: this program alone acts on it, and stops the rest in order.
  const child = fork(MILLRACE, [...args], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], detached: true })
  await untilUp(undo, child, `millrace ${args[0]}`, /\n/)
  return child
}

/** What a command of the command line prints. */
export async function millrace(undo: Undo, args: readonly string[]): Promise<string> {
  const running = promisify(execFile)(process.execPath, [MILLRACE, ...args])
  undo.add(() => stop(running.child))
  const { stdout } = await running
  return stdout
}

/** Mosquitto on a free port of 127.0.0.1. @returns its URL */
export async function startMosquitto(undo: Undo): Promise<string> {
  const port = await freePort()
  // On a port from the command line it listens on loopback only.
  const child = spawn(process.env['MOSQUITTO'] ?? 'mosquitto', ['-p', `${port}`], {
    env: ENV,
    detached: true,
  })
  child.once('error', () => console.error(NO_BROKER))
  await untilUp(undo, child, 'mosquitto', /running/)
  return `mqtt://127.0.0.1:${port}`
}

/** Resolves when the process has printed what says that it is up. */
async function untilUp(undo: Undo, child: ChildProcess, name: string, sign: RegExp): Promise<void> {
  undo.add(() => stop(child))
  let said = ''
  await new Promise<void>((resolve, reject) => {
    const listen = (chunk: Buffer) => {
      said += chunk.toString()
      if (sign.test(said)) resolve()
    }
    child.stdout?.on('data', listen)
    child.stderr?.on('data', listen)
    child.once('error', reject)
    child.once('exit', status => reject(new Error(`${name} ended with status ${status}: ${said}`)))
  })
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill()
  const kill = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
  await exited
  clearTimeout(kill)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
