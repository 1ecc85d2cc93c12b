import { once } from 'node:events'
import { connect as dial, createServer } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { collectSeldom } from '../../../actors/machine/index.js'
import { decodeEnvelope, encodeEnvelope } from '../../../core/codec/index.js'
import { tensor } from '../../../core/tensor.js'
import { portOf } from '../../support/ports.js'
import { type Place, receive, sendTo, type Way } from './ways.js'

/** One end of a way, in a process of its own; it does what its parent asks, one request after the other. */
export type EndRequest =
  | { readonly type: 'receive'; readonly way: Way; readonly broker: string | undefined }
  | { readonly type: 'send'; readonly way: Way; readonly place: Place; readonly port: number }
  | { readonly type: 'burst'; readonly bytes: number; readonly count: number; readonly window: number }
  | { readonly type: 'begin' }
  | { readonly type: 'end' }

/** Times are of the machine's monotonic clock, in ms; those of processors are since the last `begin`. */
export interface EndReply {
  readonly place?: Place
  /** On which the receiver says of each message that it has come. */
  readonly port?: number
  readonly times?: readonly number[]
  readonly cpuMs?: number
  readonly error?: string
}

const LIMIT_MS = 60_000
const ARRIVED = Buffer.alloc(1)

let times: number[] = []
let last: Uint8Array | undefined
let usage = process.cpuUsage()
let more: (arrivals: number) => void = () => undefined
let send: (message: Uint8Array) => Promise<void> = () => Promise.reject(new Error('nobody to send to'))

collectSeldom()
process.on('disconnect', () => process.exit())
process.on('message', (request: EndRequest) => {
  const failed = (error: unknown): EndReply => ({
    error: error instanceof Error ? error.message : String(error),
  })
  void carryOut(request)
    .catch(failed)
    .then(reply => process.send?.(reply))
})

async function carryOut(request: EndRequest): Promise<EndReply> {
  switch (request.type) {
    case 'receive':
      return openReceiver(request.way, request.broker)
    case 'send':
      dial(request.port, '127.0.0.1').on('data', data => more(data.byteLength))
      send = await sendTo(request.way, request.place)
      return {}
    case 'begin':
      times = []
      usage = process.cpuUsage()
      return {}
    case 'burst':
      await burst(request)
      return {}
    case 'end':
      return takeStock()
  }
}

async function openReceiver(way: Way, broker: string | undefined): Promise<EndReply> {
  let tell: () => void = () => undefined
  const server = createServer({ noDelay: true }, socket => {
    tell = () => socket.write(ARRIVED)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const place = await receive(way, broker, message => {
    times.push(now())
    last = message
    tell()
  })
  return { place, port: portOf(server) }
}

/** Sends one message after the other, as a stage does, with so many on their way at most. */
async function burst({ bytes, count, window }: Extract<EndRequest, { type: 'burst' }>): Promise<void> {
  const messages = Array.from({ length: window + 1 }, (_, i) => messageOf(bytes, i))
  let [sent, arrived] = [0, 0]
  let wake: () => void = () => undefined
  more = arrivals => {
    arrived += arrivals
    wake()
  }
  const lost = new AbortController()
  const limit = setTimeout(LIMIT_MS, undefined, { signal: lost.signal }).then(
    () => Promise.reject(new Error(`${arrived} of ${sent} messages came in ${LIMIT_MS} ms`)),
    () => undefined,
  )
  const atMost = async (underWay: number) => {
    while (sent - arrived > underWay) await new Promise<void>(resolve => (wake = resolve))
  }
  const run = async () => {
    for (; sent < count;) {
      const message = messages[sent % messages.length] ?? new Uint8Array(0)
      times.push(now())
      sent++
      await send(message)
      await atMost(window - 1)
    }
    await atMost(0)
  }
  await Promise.race([run(), limit])
  lost.abort()
}

/** The last message is what was sent, checksum and all, or it is no link. */
function takeStock(): EndReply {
  const { user, system } = process.cpuUsage(usage)
  if (last !== undefined) decodeEnvelope(last)
  last = undefined
  return { times, cpuMs: (user + system) / 1_000 }
}

function messageOf(bytes: number, sequence: number): Uint8Array {
  const identity = { dispatcher: 'bench', stream: 'bench', sequence }
  const header = { ...identity, epoch: 1, stage: 0, turn: sequence, admittedAt: 0, timings: [] }
  const values = new Float32Array(bytes / 4).fill(sequence)
  return encodeEnvelope({ header, tensors: { x: tensor('float32', [1, values.length], values) } })
}

function now(): number {
  const [s, ns] = process.hrtime()
  return s * 1e3 + ns / 1e6
}
