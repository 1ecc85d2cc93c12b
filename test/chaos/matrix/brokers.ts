import { rm } from 'node:fs/promises'
import { CliRun } from '../../support/cli.js'
import { startMosquitto } from '../../support/mosquitto.js'
import { freePort } from '../../support/ports.js'

/** A broker in a process of its own, which can be killed and comes back at its address. */
export interface BrokerProcess {
  readonly url: string
  kill(): void
  /** @param remembers  whether it finds what it had kept, where it keeps anything */
  restart(remembers: boolean): Promise<void>
  close(): Promise<void>
}

export async function embeddedBroker(): Promise<BrokerProcess> {
  const port = await freePort()
  const start = async () => {
    const run = new CliRun(['broker', '--port', String(port), '--json'])
    await run.firstLine()
    return run
  }
  let run = await start()
  return {
    url: `mqtt://127.0.0.1:${port}`,
    kill: () => run.signal('SIGKILL'),
    restart: async () => {
      await run.ended
      run = await start()
    },
    close: async () => void (await run.stop()),
  }
}

/** Mosquitto that saves each change at once. */
export async function persistentMosquitto(): Promise<BrokerProcess> {
  const saved = 'mosquitto.db'
  const mosquitto = await startMosquitto([
    'allow_anonymous true',
    'max_queued_messages 20000',
    'persistence true',
    'autosave_on_changes true',
    'autosave_interval 1',
    // The folder belongs to whoever runs the tests.
    'user root',
  ])
  return {
    url: mosquitto.url,
    kill: () => mosquitto.kill(),
    restart: async remembers => {
      await mosquitto.stop()
      if (!remembers) await rm(`${mosquitto.folder}/${saved}`, { force: true })
      await mosquitto.start()
    },
    close: () => mosquitto.close(),
  }
}
