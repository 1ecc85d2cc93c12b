import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { type EmulatedCluster } from '../../actors/bin/emulator/index.js'

/**
 * Why this machine cannot emulate devices, or undefined where it can: then a test logs that and passes. It asks for
 * what the emulator needs and not the emulator, which would hide its own faults.
 */
export function whyNotEmulated(): string | undefined {
  if (process.platform !== 'linux') return `this is ${process.platform}`
  if (process.geteuid?.() !== 0) return 'the user is not root'
  const probe = `mr-probe-${process.pid}`
  const steps = [
    ['ip', 'netns', 'add', probe],
    [
      'tc',
      '-n',
      probe,
      'qdisc',
      'add',
      'dev',
      'lo',
      'root',
      'tbf',
      'rate',
      '1mbit',
      'burst',
      '8000',
      'limit',
      '9000',
    ],
    ['ip', 'netns', 'del', probe],
  ]
  const failed = steps.filter(([program = '', ...args]) => spawnSync(program, args).status !== 0)
  if (failed.length > 0) return `'${failed[0]?.join(' ')}' failed`
  const roots = ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/cpu,cpuacct', '/sys/fs/cgroup/cgroup.controllers']
  return roots.some(root => existsSync(root)) ? undefined : 'there is no cpu cgroup'
}

/** What of a run is on this machine: network namespaces, cgroups, and its record. */
export function leftOf(run: string): string[] {
  const spaces = spawnSync('ip', ['netns']).stdout.toString().split('\n')
  const folders = ['/sys/fs/cgroup', ...subfolders('/sys/fs/cgroup')]
  const entries = [...spaces, ...folders.flatMap(namesIn), ...namesIn('/run')]
  return entries.filter(name => name.includes(run))
}

/** Names of the machine's own network links. */
export function hostLinks(): string[] {
  return namesIn('/sys/class/net')
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}

function subfolders(folder: string): string[] {
  if (!existsSync(folder)) return []
  const entries = readdirSync(folder, { withFileTypes: true })
  return entries.filter(entry => entry.isDirectory()).map(({ name }) => `${folder}/${name}`)
}

/** Starts a program of JavaScript in a device; what it prints is for `text` or `firstOf`. */
export function scriptIn(cluster: EmulatedCluster, device: string, script: string) {
  const [program = '', ...args] = [...cluster.enter(device), process.execPath, '-e', script]
  return spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** Sends bytes at once from one device to some others. @returns 10^6 bit/s of payload that each of them received */
export async function throughput(
  cluster: EmulatedCluster,
  from: string,
  to: readonly string[],
  bytes: number,
): Promise<number[]> {
  const receivers = to.map(device => {
    const child = scriptIn(cluster, device, RECEIVE.replace('HOST', cluster.address(device)))
    return { child, port: once(child.stdout, 'data').then(([data]) => Number(data)) }
  })
  const ports = await Promise.all(receivers.map(({ port }) => port))
  const targets = to.map((device, i) => ({ host: cluster.address(device), port: ports[i] }))
  const sender = scriptIn(
    cluster,
    from,
    SEND.replace('TARGETS', JSON.stringify(targets)).replace('BYTES', String(bytes)),
  )
  const ended = once(sender, 'exit')
  const rates = await Promise.all(receivers.map(async ({ child }) => Number(await text(child.stdout))))
  await ended
  return rates
}

/** Prints its port, and at the end the rate from the first byte to the last. */
const RECEIVE = `
const server = require('node:net').createServer(socket => {
  let first, last, bytes = 0
  socket.on('data', data => { last = performance.now(); if (first === undefined) first = last; else bytes += data.length })
  socket.on('end', () => { console.log(bytes * 8 / 1e3 / (last - first)); server.close(); socket.end() })
})
server.listen(0, 'HOST', () => console.log(server.address().port))`

const SEND = `
for (const target of TARGETS) {
  const socket = require('node:net').connect(target)
  socket.end(Buffer.alloc(BYTES))
  socket.resume()
}`
