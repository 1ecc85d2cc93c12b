import { PassThrough } from 'node:stream'
import test from 'ava'
import { type Packet, parser } from 'mqtt-packet'
import { writePublish } from '../../broker/write-publish.js'
import { isPublish } from '../support/raw-client.js'

/** Bytes at which the length of a packet takes another byte. */
const EDGES = [128, 16_384, 2_097_152]

test('a written message - is what any MQTT parser reads as it', async t => {
  const topic = 'a/ü/' + 'x'.repeat(20)
  const before = 2 + Buffer.byteLength(topic)
  const sizes = [0, 1, ...EDGES.flatMap(edge => [edge - before - 1, edge - before, edge])]
  const stream = new PassThrough()
  const packets: Packet[] = []
  const reading = parser().on('packet', packet => packets.push(packet))
  stream.on('data', (bytes: Buffer) => reading.parse(bytes))
  await Promise.all(
    sizes.map((size, i) =>
      writePublish(stream, topic, new Uint8Array(size).fill(i), { retain: i % 2 === 1 }),
    ),
  )
  const seen = packets.filter(isPublish)
  t.deepEqual(
    seen.map(({ topic, payload, qos, retain }) => [topic, payload.length, qos, retain]),
    sizes.map((size, i) => [topic, size, 0, i % 2 === 1]),
  )
  t.true(seen.every(({ payload }, i) => Buffer.alloc(sizes[i] ?? 0, i).equals(Buffer.from(payload))))
})

test('a written message - may ask for an acknowledgement by name', async t => {
  const stream = new PassThrough()
  const packets: Packet[] = []
  const reading = parser().on('packet', packet => packets.push(packet))
  stream.on('data', (bytes: Buffer) => reading.parse(bytes))
  const ids = [1, 255, 256, 65_535]
  for (const id of ids) await writePublish(stream, 'a', Uint8Array.of(7, 8), { retain: false, id })
  t.deepEqual(
    packets.filter(isPublish).map(({ qos, messageId, payload }) => [qos, messageId, [...payload]]),
    ids.map(id => [1, id, [7, 8]]),
  )
})

test('a written message - fails where its stream has ended', async t => {
  const stream = new PassThrough()
  stream.on('error', () => undefined)
  stream.destroy()
  await t.throwsAsync(writePublish(stream, 'a', Uint8Array.of(1), { retain: false }))
})
