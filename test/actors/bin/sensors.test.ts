import { execFileSync, type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Packr } from 'msgpackr'
import sharp from 'sharp'
import { type Line } from '../../support/sensors.js'
import { inTurns } from '../../support/actors.js'
import { CliRun, millrace } from '../../support/cli.js'
import { inCheckout } from '../../support/index.js'

const DIGITS = inCheckout('examples/digits/digits.onnx')
const PIXELS = 64
/** An image that the network reads right. */
const SAMPLE = 5

interface Digit {
  /** 0 to 1, row by row. */
  readonly values: Float32Array<ArrayBuffer>
  readonly png: string
  readonly label: number
}

async function digit(folder: string, index: number): Promise<Digit> {
  const images = await readFile(inCheckout('examples/digits/held-out.images'))
  const labels = await readFile(inCheckout('examples/digits/held-out.labels'))
  const pixels = images.subarray(index * PIXELS, (index + 1) * PIXELS)
  const png = join(folder, `${index}.png`)
  const grey = Buffer.from(pixels.map(value => Math.round((value * 255) / 16)))
  await sharp(grey, { raw: { width: 8, height: 8, channels: 1 } }).toFile(png)
  return { values: Float32Array.from(pixels, value => value / 16), png, label: labels[index] ?? -1 }
}

/** `mosquitto_sub`, line by line. */
class Subscriber {
  readonly lines: Line[] = []
  private text = ''
  private readonly child: ChildProcess

  constructor(port: string, filter: string) {
    const args = ['-p', port, '-t', filter]
    this.child = spawn('mosquitto_sub', args, { stdio: ['ignore', 'pipe', 'ignore'] })
    this.child.stdout?.on('data', (data: Buffer) => this.take(data.toString()))
  }

  async got(count: number): Promise<Line[]> {
    await inTurns(() => this.lines.length >= count)
    return this.lines
  }

  async close(): Promise<void> {
    if (this.child.exitCode === null && this.child.kill()) await once(this.child, 'exit')
  }

  private take(data: string): void {
    this.text += data
    const lines = this.text.split('\n')
    this.text = lines.pop() ?? ''
    for (const line of lines) this.lines.push(JSON.parse(line) as Line)
  }
}

async function running(t: ExecutionContext) {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-sensors-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const up = new CliRun(['up', '--port', '0', '--workers', '2', '--json'])
  t.teardown(() => up.stop())
  const said = JSON.parse(await up.firstLine()) as { broker: string; in: string; out: string }
  const deploy = await millrace(['deploy', DIGITS, '--name', 'digits', '--broker', said.broker, '--json'])
  t.is(deploy.status, 0, deploy.stderr)
  const { port } = new URL(said.broker)
  // What is retained comes when it has subscribed.
  execFileSync('mosquitto_pub', [
    '-p',
    port,
    '-t',
    'millrace/v1/out/digits/ready',
    '-r',
    '-q',
    '1',
    '-m',
    '{}',
  ])
  const subscriber = new Subscriber(port, 'millrace/v1/out/digits/#')
  t.teardown(() => subscriber.close())
  await subscriber.got(1)
  subscriber.lines.length = 0
  const publish = (where: string, ...args: string[]) =>
    execFileSync('mosquitto_pub', ['-p', port, '-t', `millrace/v1/in/digits/${where}`, ...args])
  return { folder, up, said, port, subscriber, publish }
}

const absent = spawnSync('mosquitto_pub', ['--help']).error !== undefined

function here(t: ExecutionContext): boolean {
  if (!absent) return true
  t.log('not tested here: the clients of Mosquitto are not installed')
  t.pass()
  return false
}

test.serial('sensors - take part in `up` with nothing but mosquitto_pub and mosquitto_sub', async t => {
  if (!here(t)) return
  const { folder, said, subscriber, publish } = await running(t)
  t.is(said.in, 'millrace/v1/in/<pipeline>/<stream>/<raw|json|msgpack|image>[/<frameId>]')
  t.is(said.out, 'millrace/v1/out/<pipeline>/<stream>')
  const { png, values, label } = await digit(folder, SAMPLE)
  publish('s1/image', '-f', png)
  const [first] = await subscriber.got(1)
  t.is(first?.top?.[0]?.class, label)
  t.like(first, { stream: 's1', sequence: 0, epoch: 1 })
  t.is(typeof first?.ageMs, 'number')

  const files = {
    raw: new Uint8Array(values.buffer),
    json: new TextEncoder().encode(JSON.stringify({ image: [...values] })),
    msgpack: new Packr({ useRecords: false }).pack({ image: { data: Buffer.from(values.buffer) } }),
  }
  for (const [format, content] of Object.entries(files)) {
    await writeFile(join(folder, format), content)
    publish(`s1/${format}/id-${format}`, '-f', join(folder, format))
    publish(`s1/${format}/id-${format}`, '-f', join(folder, format))
  }
  const lines = await subscriber.got(4)
  t.deepEqual(
    lines.slice(1).map(({ frameId, sequence, top }) => [frameId, sequence, top?.[0]?.class]),
    [
      ['id-raw', 1, label],
      ['id-json', 2, label],
      ['id-msgpack', 3, label],
    ],
  )

  publish('s2/image', '-m', 'garbage')
  t.is((await subscriber.got(5))[4]?.error?.code, 'FRAME_MALFORMED')
  publish('s2/image', '-f', png)
  const last = (await subscriber.got(6))[5]
  t.deepEqual([last?.stream, last?.sequence, last?.top?.[0]?.class], ['s2', 1, label])
})

test.serial(
  'sensors - the largest message that MQTT can carry is refused, and nobody else notices',
  async t => {
    if (!here(t)) return
    const { folder, up, port, subscriber, publish } = await running(t)
    const { png, label } = await digit(folder, SAMPLE)
    const huge = join(folder, 'huge')
    const file = createWriteStream(huge)
    const block = Buffer.alloc(1_000_000, 1)
    for (let i = 0; i < 260; i++) if (!file.write(block)) await once(file, 'drain')
    file.end()
    await once(file, 'close')
    const args = ['-p', port, '-t', 'millrace/v1/in/digits/huge/raw', '-q', '1', '-f', huge]
    const sender = spawn('mosquitto_pub', args, { stdio: 'ignore' })
    t.teardown(() => void sender.kill('SIGKILL'))
    const refused = once(sender, 'exit') as Promise<[number | null]>
    for (let i = 0; i < 5; i++) publish('s1/image', '-f', png)
    const lines = await subscriber.got(5)
    t.deepEqual(
      lines.map(({ top }) => top?.[0]?.class),
      [label, label, label, label, label],
    )
    const [status] = await refused
    t.not(status, 0)
    publish('s1/image', '-f', png)
    t.is((await subscriber.got(6))[5]?.sequence, 5)
    t.true(lines.every(({ stream }) => stream === 's1'))
    t.is(up.stderr, '')
  },
)

test.serial('sensors - an ingress that is killed is started again, and nothing else stops', async t => {
  if (!here(t)) return
  const { folder, up, subscriber, publish } = await running(t)
  const { png, label } = await digit(folder, SAMPLE)
  publish('s1/image', '-f', png)
  await subscriber.got(1)
  const [ingress] = up.descendants('millrace.js ingress')
  const others = up.descendants('millrace.js').filter(pid => pid !== ingress)
  if (ingress === undefined) return t.fail('no ingress')
  process.kill(ingress, 'SIGKILL')
  await inTurns(() => up.descendants('millrace.js ingress').some(pid => pid !== ingress))
  while (subscriber.lines.length < 2) {
    publish('s1/image', '-f', png)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  t.is(subscriber.lines[1]?.top?.[0]?.class, label)
  t.regex(up.stderr, /RUNTIME_CRASHED: 'millrace ingress' ended with SIGKILL/)
  const now = up.descendants('millrace.js')
  t.true(others.every(pid => now.includes(pid)))
  const { processes, files } = await up.stop()
  t.deepEqual([processes, files], [[], []])
})
