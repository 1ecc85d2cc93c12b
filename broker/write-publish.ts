import { type Duplex } from 'node:stream'

const PUBLISH = 0x30
const QUALITY_1 = 2
const RETAIN = 1

export interface WriteOptions {
  readonly retain: boolean
  /** Asks for an acknowledgement that names this: quality 1, but the message is not sent again. From 1 to 65,535. */
  readonly id?: number | undefined
}

/**
 * Writes a PUBLISH [MQTT-3.3] between two packets of the client whose stream it is. Resolves when it has left
 * to the system. The client's own way does the same in several times the processor time.
 */
export function writePublish(
  stream: Duplex,
  topic: string,
  payload: Uint8Array,
  options: WriteOptions,
): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.cork()
    stream.write(headOf(topic, payload.byteLength, options))
    stream.write(payload, error => (error == null ? resolve() : reject(error)))
    stream.uncork()
  })
}

/** What stands before the payload. */
function headOf(topic: string, payloadBytes: number, { retain, id }: WriteOptions): Buffer {
  const name = Buffer.from(topic)
  const head = [PUBLISH | (retain ? RETAIN : 0) | (id === undefined ? 0 : QUALITY_1)]
  const tail = id === undefined ? [] : [id >> 8, id & 255]
  let length = 2 + name.byteLength + tail.length + payloadBytes
  for (; length > 127; length = Math.floor(length / 128)) head.push((length % 128) | 128)
  head.push(length, name.byteLength >> 8, name.byteLength & 255)
  return Buffer.concat([Uint8Array.from(head), name, Uint8Array.from(tail)])
}
