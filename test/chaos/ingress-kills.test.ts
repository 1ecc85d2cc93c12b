import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { connectAsync, type MqttClient } from 'mqtt'
import { startBroker } from '../../broker/index.js'
import { connect, topK } from '../../config/index.js'
import { randomOf } from '../../core/synthetic/index.js'
import { openSession } from '../../actors/session/index.js'
import { inTurns, testFolder } from '../support/actors.js'
import { answersTo } from '../support/answers.js'
import { CliRun } from '../support/cli.js'
import { digitsFrames, DIGITS_MODEL } from '../support/digits-frames.js'
import { Members } from '../support/members.js'
import { hasMosquitto, startMosquitto } from '../support/mosquitto.js'
import { type Line } from '../support/sensors.js'

const ROUNDS = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 4)
const SEED = Number(process.env['MILLRACE_FAULT_SEED'] ?? Date.now() % 1_000_000)
const DISTINCT = 20
const SENSORS = ['cam-1', 'cam-2']
const PER_ROUND = 30
/** Frames of one sensor that wait for an answer: a broker keeps so many at least. */
const MOST_AHEAD = 40
const FRAMES_DISTINCT = digitsFrames(DISTINCT)

/** Publishes frames one after the other, each when the one before is acknowledged; what is not, it publishes again. */
class Sensor {
  readonly acknowledged: string[] = []
  stop = false
  private readonly done: Promise<void>

  constructor(
    private readonly client: MqttClient,
    private readonly stream: string,
    private readonly answers: () => number,
  ) {
    this.done = this.run()
  }

  async end(): Promise<void> {
    this.stop = true
    await this.done
  }

  private async run(): Promise<void> {
    for (let i = 0; !this.stop; i++) {
      await inTurns(() => this.stop || this.acknowledged.length - this.answers() < MOST_AHEAD)
      const frame = FRAMES_DISTINCT[i % DISTINCT]?.['image']
      const values = JSON.stringify(Array.from(frame?.data ?? [], Number))
      await this.client.publishAsync(`millrace/v1/in/digits/${this.stream}/json/f${i}`, values, { qos: 1 })
      this.acknowledged.push(`${this.stream}/f${i}`)
    }
  }
}

async function killed(t: ExecutionContext, url: string): Promise<void> {
  t.timeout(600_000)
  t.log(`seed ${SEED}, ${ROUNDS} rounds`)
  const random = randomOf('ingress kills', SEED)
  const journal = join(await testFolder(t), 'journal')
  const members = new Members(url)
  t.teardown(() => members.stop())
  await Promise.all(['supervisor', 'w1'].map(id => members.start(id)))
  const cluster = await connect(url)
  t.teardown(() => cluster.close())
  await cluster.deploy(DIGITS_MODEL, { name: 'digits', sensorTopK: 1 })

  const lines: Line[] = []
  const listener = await connectAsync(url)
  t.teardown(() => listener.endAsync(true))
  listener.on('message', (_, payload) => lines.push(JSON.parse(payload.toString()) as Line))
  await listener.subscribeAsync('millrace/v1/out/digits/+', { qos: 1 })
  const answered = () => new Set(lines.map(({ stream, frameId }) => `${stream}/${frameId}`))

  const start = async () => {
    const run = new CliRun(['ingress', '--broker', url, '--journal', journal, '--json'])
    t.teardown(() => run.signal('SIGKILL'))
    await run.firstLine()
    return run
  }
  let ingress = await start()
  const clients = await Promise.all(SENSORS.map(() => connectAsync(url)))
  for (const client of clients) t.teardown(() => client.endAsync(true))
  const sensors = clients.map((client, i) => {
    const stream = SENSORS[i] ?? ''
    return new Sensor(client, stream, () => lines.filter(line => line.stream === stream).length)
  })
  const acknowledged = () => sensors.flatMap(sensor => sensor.acknowledged)
  for (let round = 0; round < ROUNDS; round++) {
    const wanted = answered().size + random.below(PER_ROUND)
    await inTurns(() => answered().size >= wanted)
    ingress.signal('SIGKILL')
    await ingress.ended
    ingress = await start()
  }
  const wanted = answered().size + PER_ROUND
  await inTurns(() => answered().size >= wanted)
  await Promise.all(sensors.map(sensor => sensor.end()))
  await inTurns(() => acknowledged().every(frame => answered().has(frame)))

  const again = lines.length - answered().size
  t.log(`${acknowledged().length} acknowledged, ${lines.length} answers, ${again} of them again`)
  const session = await openSession(DIGITS_MODEL)
  const expected = (await answersTo(session, 1, DISTINCT)).map(({ logits }) => topK(logits, 1)[0]?.index)
  await session.release()
  for (const { stream, frameId = '', top, error } of lines) {
    t.is(error, undefined)
    t.is(top?.[0]?.class, expected[Number(frameId.slice(1)) % DISTINCT], `${stream}/${frameId}`)
  }
  // An answer that a crash kept from being recorded comes again: of the same frame, which was taken once.
  const taken = new Set(lines.map(({ stream, frameId, sequence }) => `${stream}/${frameId} ${sequence}`))
  t.is(taken.size, answered().size)
  await ingress.stop()
}

test.serial('killing the ingress - each frame that the embedded broker acknowledged is answered', async t => {
  const broker = await startBroker({ port: 0 })
  t.teardown(() => broker.close())
  await killed(t, broker.url)
})

test.serial('killing the ingress - each frame that Mosquitto acknowledged is answered', async t => {
  if (!hasMosquitto()) {
    t.log('not tested here: Mosquitto is not installed')
    return t.pass()
  }
  const broker = await startMosquitto()
  t.teardown(() => broker.close())
  await killed(t, broker.url)
})
