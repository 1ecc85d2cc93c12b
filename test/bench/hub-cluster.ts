import { randomBytes } from 'node:crypto'
import { type Cluster, connect } from '../../config/index.js'
import { type Cleanup } from '../../core/cleanup.js'
import { CliRun } from '../support/cli.js'

/** Starts a broker and a supervisor on the dispatcher's device of an emulated cluster, and a worker on each other one. */
export async function openCluster(cleanup: Cleanup, say: (what: string) => void): Promise<Cluster> {
  const password = randomBytes(24).toString('base64url')
  const env = { MILLRACE_USER: `bench:${password}` }
  const up = new CliRun(['up', '--port', '0', '--json'], env)
  cleanup.defer('stopping the cluster', () => up.stop())
  const { broker } = JSON.parse(await up.firstLine()) as { broker: string }
  say(`up on ${broker}`)
  const cluster = await connect(broker, { username: 'bench', password })
  cleanup.defer('closing the connection', () => cluster.close())
  cluster.trouble$.subscribe(({ message }) => say(message))
  return cluster
}

export function say(what: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)} ${what}`)
}
