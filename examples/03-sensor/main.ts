import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { lastValueFrom, type Observable, ReplaySubject, take, toArray } from 'rxjs'
import { connectAsync, type MqttClient } from 'mqtt'
import { connect } from 'millrace'
import sharp from 'sharp'
import { Undo } from '../02-separate-processes/undo.js'
import { type Digit, MODEL, readDigits } from '../digits/digits.js'

/** What `npx millrace` runs; without npx in between, signals reach it. */
const MILLRACE = fileURLToPath(new URL('../../actors/bin/millrace.js', import.meta.url))
const FRAMES = 'millrace/v1/in/digits'
const ANSWERS = 'millrace/v1/out/digits'
const TURNS = 50

/** One line on an out topic: a prediction, or why there is none. */
interface Answer {
  readonly frameId: string
  readonly stream: string
  readonly sequence: number
  readonly ageMs: number
  readonly top?: readonly { readonly class: number; readonly score: number }[]
  readonly error?: { readonly code: string; readonly message: string }
}

const undo = new Undo()
try {
  const broker = await startCluster()
  const answers$ = await subscribe(broker)
  const digits = await readDigits()
  const shown = { 'camera-1': digits.slice(0, TURNS), 'camera-2': digits.slice(TURNS, 2 * TURNS) }
  await Promise.all(Object.entries(shown).map(([name, images]) => runCamera(broker, name, images)))
  const all = await lastValueFrom(answers$.pipe(take(2 * TURNS + 1), toArray()))
  const right = Object.entries(shown).map(([name, images]) => checkCamera(name, images, all))
  assert(right.reduce((sum, count) => sum + count) / (2 * TURNS) >= 0.95)
} finally {
  await undo.run()
}
// An unreferenced timer keeps no process alive: it fires only where something else does.
setTimeout(() => assert.fail(`still open: ${process.getActiveResourcesInfo().join(', ')}`), 5_000).unref()

/** `millrace up`, and a network on it. This is the operator's part; sensors know nothing of it. @returns the broker's URL */
async function startCluster(): Promise<string> {
  const args = ['up', '--port', '0', '--workers', '2', '--json']
  const up = fork(MILLRACE, args, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], detached: true })
  undo.add(async () => {
    if (up.exitCode === null && up.kill()) await once(up, 'exit')
  })
  assert(up.stdout)
  const [line] = (await once(createInterface(up.stdout), 'line')) as [string]
  const { broker } = JSON.parse(line) as { broker: string }
  const cluster = await connect(broker)
  undo.add(() => cluster.close())
  await cluster.deploy(MODEL, { name: 'digits', partitions: 2 })
  return broker
}

async function openClient(broker: string): Promise<MqttClient> {
  const client = await connectAsync(broker)
  undo.add(() => client.endAsync())
  return client
}

/** A sensor: it has an MQTT client, and publishes PNG files. */
async function runCamera(broker: string, name: string, images: readonly Digit[]): Promise<void> {
  const client = await openClient(broker)
  for (const [i, image] of images.entries()) {
    const png = await pngOf(image)
    await client.publishAsync(`${FRAMES}/${name}/image/${i}`, png, { qos: 1 })
    // As a sensor does that has heard no acknowledgement: under its id, the frame is the same frame.
    if (i % 10 === 0) await client.publishAsync(`${FRAMES}/${name}/image/${i}`, png, { qos: 1 })
  }
  if (name === 'camera-2') await client.publishAsync(`${FRAMES}/${name}/image/broken`, 'no image at all')
}

/** Ink is 16 in the pixels of the data set, and 255 here. */
function pngOf({ pixels }: Digit): Promise<Buffer> {
  const grey = pixels.map(pixel => Math.round((pixel * 255) / 16))
  return sharp(grey, { raw: { width: 8, height: 8, channels: 1 } })
    .png()
    .toBuffer()
}

/** Somebody whom the predictions concern: another MQTT client. */
async function subscribe(broker: string): Promise<Observable<Answer>> {
  const client = await openClient(broker)
  const answers$ = new ReplaySubject<Answer>()
  client.on('message', (_topic, payload) => answers$.next(JSON.parse(payload.toString()) as Answer))
  answers$.subscribe(({ stream, frameId, top, ageMs, error }) => {
    const what = top?.[0] === undefined ? `${error?.code}: ${error?.message}` : `a ${top[0].class}`
    console.log(`${stream}, frame ${frameId}: ${what} (${ageMs} ms)`)
  })
  await client.subscribeAsync(`${ANSWERS}/+`, { qos: 1 })
  return answers$
}

/** @returns how many of its images were read right */
function checkCamera(name: string, images: readonly Digit[], answers: readonly Answer[]): number {
  const own = answers.filter(({ stream }) => stream === name)
  const predictions = own.filter(({ top }) => top !== undefined)
  const right = predictions.filter(({ top, frameId }) => top?.[0]?.class === images[Number(frameId)]?.label)
  console.log(`${name}: ${right.length} of ${images.length} digits read right`)

  // Each frame is answered once, in the order in which it was published, though some came twice.
  assert.deepEqual(
    predictions.map(({ frameId }) => frameId),
    images.map((_, i) => `${i}`),
  )
  assert.deepEqual(
    predictions.map(({ sequence }) => sequence),
    images.map((_, i) => i),
  )
  const errors = own.flatMap(({ frameId, error }) =>
    error === undefined ? [] : [`${frameId} ${error.code}`],
  )
  assert.deepEqual(errors, name === 'camera-2' ? ['broken FRAME_MALFORMED'] : [])
  return right.length
}
