import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import { EmulatedCluster } from '../../actors/bin/emulator/index.js'
import { parseCluster } from '../../core/cluster-file.js'
import { type Speed } from '../../core/control/index.js'
import { relativeSpeed } from '../../core/speed.js'
import { scriptIn, whyNotEmulated } from '../support/emulation.js'
import { inCheckout } from '../support/index.js'

const MIB = 2 ** 20
const device = (id: string, speed: number, memoryMiB = 512) => ({ id, speed, cores: 1, memoryMiB })
const MBPS = 20
/** Times that a speed is measured at most, until what else the machine does has let it be seen. */
const ROUNDS = 5

/** Two slow devices and a hub, which go with the test; undefined where there can be none. */
async function emulate(t: ExecutionContext): Promise<EmulatedCluster | undefined> {
  t.timeout(180_000)
  const reason = whyNotEmulated()
  if (reason !== undefined) {
    t.pass()
    t.log(`not tested here: ${reason}`)
    return undefined
  }
  const description = parseCluster({
    dispatcher: 'hub',
    devices: [device('hub', 1), device('a', 0.3, 200), device('b', 0.6)],
    links: { mbps: MBPS },
  })
  const cluster = await EmulatedCluster.create(description)
  t.teardown(() => cluster.destroy())
  return cluster
}

/** What a module does in a device, which prints JSON. */
async function inDevice<T>(cluster: EmulatedCluster, id: string, module: string, code: string): Promise<T> {
  const script = `import(${JSON.stringify(inCheckout(`dist/${module}`))}).then(async m => { ${code} })`
  return JSON.parse(await text(scriptIn(cluster, id, script).stdout)) as T
}

/** What else the machine does makes a measurement slower, never faster. */
function fastest(all: readonly Speed[]): Speed {
  return {
    convGflops: Math.max(...all.map(speed => speed.convGflops)),
    matmulGflops: Math.max(...all.map(speed => speed.matmulGflops)),
  }
}

test.serial('benchmark - under a quota of the processor reports about that share', async t => {
  const cluster = await emulate(t)
  if (cluster === undefined) return
  const run = 'console.log(JSON.stringify(await m.runBenchmark()))'
  const measure = (id: string) => inDevice<{ speed: Speed }>(cluster, id, 'actors/benchmark/index.js', run)
  const whole: Speed[] = []
  for (const [id, share] of [
    ['a', 0.3],
    ['b', 0.6],
  ] as const) {
    const limited: Speed[] = []
    let ratio = NaN
    while (!(Math.abs(ratio / share - 1) <= 0.35) && limited.length < ROUNDS) {
      whole.push((await measure('hub')).speed)
      limited.push((await measure(id)).speed)
      ratio = relativeSpeed(fastest(limited), fastest(whole))
    }
    t.true(Math.abs(ratio / share - 1) <= 0.35, `${ratio} instead of ${share}`)
  }
})

test.serial('available memory - under a limit is what that leaves', async t => {
  const cluster = await emulate(t)
  if (cluster === undefined) return
  const print = 'console.log(m.availableBytes())'
  const bytes = await inDevice<number>(cluster, 'a', 'actors/machine/index.js', print)
  // The process itself takes some tens of MiB at most.
  t.true(bytes > 100 * MIB && bytes < 200 * MIB, `${bytes / MIB} MiB`)
})

test.serial('inbox link - between two devices has the bandwidth that it was given', async t => {
  const cluster = await emulate(t)
  if (cluster === undefined) return
  const user = { username: 'probe/b/hub', password: 'right' }
  const broker = inCheckout('dist/broker/index.js')
  const accepting = scriptIn(
    cluster,
    'hub',
    `import(${JSON.stringify(broker)}).then(async ({ InboxBroker, InboxProbes }) => {
      const inbox = await InboxBroker.start({ host: '${cluster.address('hub')}', port: 0 })
      new InboxProbes(inbox).accept([${JSON.stringify(user)}])
      console.log(inbox.url)
    })`,
  )
  const [line] = (await once(accepting.stdout, 'data')) as [Buffer]
  const target = JSON.stringify({ to: 'hub', url: line.toString().trim(), ...user })
  const measure = `
    const { InboxProbes } = await import(${JSON.stringify(broker)})
    const figure = await m.measureInboxLink(${target}, to => new InboxProbes().connect(to))
    console.log(JSON.stringify(figure))`
  const figure = await inDevice<{ mbps: number }>(cluster, 'b', 'actors/benchmark/index.js', measure)
  t.true(Math.abs(figure.mbps / MBPS - 1) <= 0.3, `${figure.mbps} instead of ${MBPS}`)
})
