import { type Duplex } from 'node:stream'

const PUBLISH = 0x30
const RETAIN = 1

/**
 * Writes a PUBLISH of quality 0 [MQTT-3.3] between two packets of the client whose stream it is. Resolves when it has left
 * to the system. The client's own way does the same in several times the processor time.
 */
export function writePublish(
  stream: Duplex,
  topic: string,
  payload: Uint8Array,
  retain: boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.cork()
    stream.write(headOf(topic, payload.byteLength, retain))
    stream.write(payload, error => (error == null ? resolve() : reject(error)))
    stream.uncork()
  })
}

/** What stands before the payload. */
function headOf(topic: string, payloadBytes: number, retain: boolean): Buffer {
  const name = Buffer.from(topic)
  const head = [PUBLISH | (retain ? RETAIN : 0)]
  let length = 2 + name.byteLength + payloadBytes
  for (; length > 127; length = Math.floor(length / 128)) head.push((length % 128) | 128)
  head.push(length, name.byteLength >> 8, name.byteLength & 255)
  return Buffer.concat([Uint8Array.from(head), name])
}
