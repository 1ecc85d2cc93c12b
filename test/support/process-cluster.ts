import { type Cluster, connect } from '../../config/index.js'
import { CliRun } from './cli.js'
import { Members } from './members.js'

/** A cluster each of whose parts is a process that can be killed or frozen. */
export interface ProcessCluster {
  /** Of its broker. */
  readonly url: string
  readonly cluster: Cluster
  readonly members: Members
  /** Process ids by what the process is; 'dispatcher' is this one. */
  readonly processes: () => Map<string, number>
}

/**
 * @param defer  is given what is to be done when it is not needed any more; what was given last is done first
 * @param more  options of the command of each worker
 */
export async function processCluster(
  workers: readonly string[],
  defer: (act: () => Promise<unknown>) => void,
  more: readonly string[] = [],
): Promise<ProcessCluster> {
  const broker = new CliRun(['broker', '--port', '0', '--json'])
  defer(() => broker.stop())
  const { url } = JSON.parse(await broker.firstLine()) as { url: string }
  const members = new Members(url)
  defer(() => members.stop())
  await Promise.all([members.start('supervisor'), ...workers.map(id => members.start(id, more))])
  const cluster = await connect(url)
  defer(() => cluster.close())
  const processes = () =>
    new Map([
      ['dispatcher', process.pid],
      ...broker.descendants('').map(pid => ['broker', pid] as const),
      ...members.processes(),
    ])
  return { url, cluster, members, processes }
}
