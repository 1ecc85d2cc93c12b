import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './ports.js'

/** Where Debian puts it is not on everybody's path. */
const ENV = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` }
const START_LIMIT_MS = 60_000

/** Mosquitto on a free port of 127.0.0.1. */
export interface Mosquitto {
  readonly url: string
  /** Where it keeps what it keeps. */
  readonly folder: string
  /** While it runs. */
  readonly pid: number | undefined
  stop(): Promise<void>
  /** Ends it at once; it saves nothing that it has not saved. */
  kill(): void
  /** On the same port; nothing is kept, unless the configuration says so. */
  start(): Promise<void>
  /** Stops it and removes its folder. */
  close(): Promise<void>
}

export function hasMosquitto(): boolean {
  return spawnSync('mosquitto', ['-h'], { env: ENV }).error === undefined
}

/** @param config  lines of mosquitto.conf beside the listener */
export async function startMosquitto(
  config: readonly string[] = ['allow_anonymous true'],
): Promise<Mosquitto> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-mosquitto-'))
  const port = await freePort()
  const file = join(folder, 'mosquitto.conf')
  await writeFile(file, [`listener ${port} 127.0.0.1`, 'persistence false', ...config, ''].join('\n'))
  let child: ChildProcess | undefined
  const stop = async () => {
    const running = child
    child = undefined
    if (running?.exitCode !== null || !running.kill()) return
    await once(running, 'exit')
  }
  const start = async () => {
    child = spawn('mosquitto', ['-c', file], { cwd: folder, env: ENV, stdio: ['ignore', 'ignore', 'pipe'] })
    await accepts(child, port)
  }
  await start()
  return {
    url: `mqtt://127.0.0.1:${port}`,
    folder,
    get pid() {
      return child?.pid
    },
    stop,
    kill: () => void child?.kill('SIGKILL'),
    start,
    close: async () => {
      await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function accepts(child: ChildProcess, port: number): Promise<void> {
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const deadline = Date.now() + START_LIMIT_MS
  while (!(await answers(port))) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`mosquitto does not start: ${said}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    const settle = (there: boolean) => {
      socket.destroy()
      resolve(there)
    }
    socket.once('connect', () => settle(true)).once('error', () => settle(false))
  })
}
