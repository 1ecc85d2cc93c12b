import { once } from 'node:events'
import { Duplex } from 'node:stream'
import test from 'ava'
import fc from 'fast-check'
import { ClientStream, type ClientStreamLimits } from '../../broker/client-stream.js'

const KIB = 1024
const CONNECT = Buffer.from('100c00044d5154540402000000000000', 'hex').subarray(0, 14)

/** A socket that takes a write only when it is told to. */
class Valve extends Duplex {
  readonly taken: Buffer[] = []
  private pending: (() => void)[] = []
  private open = false

  override _read(): void {
    // What comes in is pushed by the test.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.taken.push(Buffer.from(chunk))
    if (this.open) done()
    else this.pending.push(done)
  }

  /** Takes what waits, and with `stayOpen` all that comes. */
  accept(stayOpen = false): void {
    this.open = stayOpen
    for (const done of this.pending.splice(0)) done()
  }

  get bytes(): Buffer {
    return Buffer.concat(this.taken)
  }
}

function streamOver(limits: Partial<ClientStreamLimits> = {}): { valve: Valve; stream: ClientStream } {
  const valve = new Valve()
  const bounds = { maxPacketBytes: 1_000, maxQueuedBytes: 2 ** 20, stalledMs: 60_000, ...limits }
  const stream = new ClientStream(valve, bounds)
  stream.on('error', () => undefined)
  return { valve, stream }
}

/** Resolves when the stream has ended, in whatever way; the process waits for that. */
function ended(stream: Duplex): Promise<void> {
  const alive = setInterval(() => undefined, 1_000)
  return new Promise(resolve => {
    stream.once('close', () => {
      clearInterval(alive)
      resolve()
    })
  })
}

test('a client stream - passes on every byte in order, in writes of one size and small ones together', async t => {
  const sizes = fc.array(fc.oneof(fc.nat({ max: 50 }), fc.constantFrom(64 * KIB, 64 * KIB - 1, 150 * KIB)), {
    minLength: 1,
    maxLength: 30,
  })
  const property = fc.asyncProperty(sizes, fc.boolean(), async (sizes, corked) => {
    const { valve, stream } = streamOver({ maxQueuedBytes: 2 ** 30 })
    const chunks = sizes.map((size, i) => Buffer.alloc(size, i + 1))
    valve.accept(true)
    if (corked) stream.cork()
    for (const chunk of chunks) stream.write(chunk)
    if (corked) stream.uncork()
    stream.end()
    await once(valve, 'finish')
    t.true(valve.bytes.equals(Buffer.concat(chunks)))
    t.true(valve.taken.every(({ length }) => length <= 64 * KIB))
  })
  await fc.assert(property, { numRuns: 50 })
})

test('a client stream - never makes the broker wait, and is behind from half of its bound on until a quarter', async t => {
  const { valve, stream } = streamOver()
  let written = 0
  while (!stream.behind) {
    t.true(stream.write(Buffer.alloc(64 * KIB)))
    written++
  }
  t.is(written, 8)
  const takeOne = async () => {
    valve.accept()
    await new Promise(setImmediate)
  }
  for (let left = 8; left >= 4; left--) {
    t.true(stream.behind, `${left} left`)
    await takeOne()
  }
  t.false(stream.behind)
})

test('a client stream - counts what many small writes take in memory, and gives the client up above its bound', async t => {
  const { stream } = streamOver({ maxQueuedBytes: 100 * KIB })
  const closed = ended(stream)
  let written = 0
  while (!stream.destroyed) {
    stream.write(Buffer.alloc(1))
    written++
    await Promise.resolve()
  }
  await closed
  t.true(written < 1_000)
})

test('a client stream - gives up a client that takes nothing and sends nothing', async t => {
  const { stream, valve } = streamOver({ stalledMs: 20 })
  const failed = once(stream, 'error')
  stream.write(Buffer.alloc(10))
  const [error] = (await failed) as [Error]
  t.regex(error.message, /takes nothing/)
  t.true(valve.destroyed)
})

test('a client stream - leaves a client alone that has nothing to take', async t => {
  const { stream, valve } = streamOver({ stalledMs: 20 })
  valve.accept(true)
  stream.write(Buffer.alloc(10))
  const { stream: other } = streamOver({ stalledMs: 40 })
  other.write(Buffer.alloc(10))
  await ended(other)
  t.false(stream.destroyed)
})

test('a client stream - leaves a client alone that takes nothing for long but still sends', async t => {
  const { stream, valve } = streamOver({ stalledMs: 100 })
  stream.resume()
  valve.push(CONNECT)
  stream.write(Buffer.alloc(10))
  for (let i = 0; i < 20; i++) {
    await new Promise(resolve => setTimeout(resolve, 20))
    valve.push(Buffer.of(0xc0, 0))
  }
  t.false(stream.destroyed)
  await ended(stream)
})

test('a client stream - ends with its socket, and the socket with it', async t => {
  const { stream, valve } = streamOver()
  valve.destroy()
  await ended(stream)
  const other = streamOver()
  other.stream.write(Buffer.alloc(10))
  other.stream.destroy()
  await ended(other.valve)
  t.pass()
})
