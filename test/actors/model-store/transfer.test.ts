import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import test, { type ExecutionContext } from 'ava'
import { map, type Observable } from 'rxjs'
import { fetchPart, type FetchOptions, type PartId, serveParts } from '../../../actors/model-store/index.js'
import { type Bus } from '../../../core/bus.js'
import { encodeControl, PartRequest } from '../../../core/control/index.js'
import { type MillraceError } from '../../../core/errors.js'
import {
  filesIn,
  listen,
  rejection,
  settled,
  testBroker,
  testStore,
  TOPICS,
  until,
} from '../../support/actors.js'

const SIZE = 3_000_001

function bytes(size: number): Uint8Array {
  const data = new Uint8Array(size)
  for (let i = 0, state = size; i < size; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    data[i] = state >>> 24
  }
  return data
}

function idOf(data: Uint8Array): PartId {
  return { sha256: createHash('sha256').update(data).digest('hex'), bytes: data.byteLength }
}

async function party(t: ExecutionContext, change: Partial<FetchOptions> = {}, limitBytes = 1e9) {
  const { connect } = await testBroker(t)
  const [holder, bus] = [await connect('holder'), await connect('fetcher')]
  const store = await testStore(t, { limitBytes })
  const options: FetchOptions = {
    bus,
    topics: TOPICS,
    store,
    requester: 'w1',
    pieceTimeoutMs: 5_000,
    attempts: 2,
    ...change,
  }
  return { holder, connect, store, options }
}

function serve(bus: Bus, data: Uint8Array, id = idOf(data)) {
  const errors: MillraceError[] = []
  const read = async (sha256: string, offset: number, length: number) =>
    sha256 === id.sha256 ? data.subarray(offset, offset + length) : undefined
  return serveParts(bus, TOPICS, read, error => errors.push(error)).then(serving => ({ serving, errors }))
}

/** Answers requests in a test's own way. */
async function holdWith(
  bus: Bus,
  { sha256 }: PartId,
  answer: (request: PartRequest, nth: number) => Uint8Array | undefined,
): Promise<Observable<PartRequest>> {
  const heard = await listen(bus, TOPICS.model.request(sha256), 1)
  const requests$ = heard.pipe(
    map(({ payload }) => PartRequest.parse(JSON.parse(new TextDecoder().decode(payload)))),
  )
  let nth = 0
  requests$.subscribe(request => {
    const message = answer(request, nth++)
    if (message !== undefined) void bus.publish(TOPICS.model.chunk(sha256, request.requester), message)
  })
  return requests$
}

/** A piece as it travels: its offset in front. */
function piece(offset: number, data: Uint8Array): Uint8Array {
  const message = new Uint8Array(8 + data.byteLength)
  new DataView(message.buffer).setFloat64(0, offset, true)
  message.set(data, 8)
  return message
}

test('fetching a part - gives its bytes, of any size', async t => {
  const { holder, store, options } = await party(t)
  for (const size of [1, 65_536, 65_537, SIZE]) {
    const data = bytes(size)
    const { serving, errors } = await serve(holder, data)
    const path = await fetchPart(idOf(data), options)
    t.is(path, store.pathOf(idOf(data).sha256))
    t.true((await readFile(path)).equals(data))
    t.deepEqual(errors, [])
    await serving.close()
  }
})

test('fetching a part - a part that is there is not asked for again', async t => {
  const { holder, store, options } = await party(t)
  const data = bytes(100)
  await store.put(data)
  const requests = await holdWith(holder, idOf(data), () => undefined)
  t.is(await fetchPart(idOf(data), options), store.pathOf(idOf(data).sha256))
  let asked = 0
  requests.subscribe(() => asked++)
  await holder.publish(
    TOPICS.model.request(idOf(data).sha256),
    encodeControl({ requester: 'x', offset: 0, length: 1 }),
  )
  await until(requests, ({ requester }) => requester === 'x')
  t.is(asked, 1)
})

test('fetching a part - of the workers that hold it only the one that is named answers, the next if it is silent', async t => {
  const { holder, connect, store, options } = await party(t, { pieceTimeoutMs: 1_000, attempts: 1 })
  const data = bytes(200_000)
  const { sha256 } = idOf(data)
  const answered: string[] = []
  for (const name of ['w2', 'w3']) {
    const read = async (_: string, at: number, length: number) => {
      answered.push(name)
      return data.subarray(at, at + length)
    }
    await serveParts(await connect(name), TOPICS, read, () => {}, name)
  }
  const supervisor = await holdWith(holder, idOf(data), () => undefined)
  const path = await fetchPart(idOf(data), { ...options, holders: ['gone', 'w3', 'w2'] })
  t.true((await readFile(path)).equals(data))
  t.deepEqual(new Set(answered), new Set(['w3']))
  const requests: (string | undefined)[] = []
  supervisor.subscribe(request => requests.push(request.holder))
  await until(supervisor, ({ offset }) => offset > 0)
  t.deepEqual([requests[0], ...new Set(requests.slice(1))], ['gone', 'w3'])
  t.truthy(await store.read(sha256, 0, 1))
})

test('fetching a part - a file that was changed on disk is fetched anew', async t => {
  const { holder, store, options } = await party(t)
  const data = bytes(1_000)
  await store.put(data)
  await writeFile(store.pathOf(idOf(data).sha256), data.with(500, (data[500] ?? 0) ^ 1))
  await serve(holder, data)
  t.true((await readFile(await fetchPart(idOf(data), options))).equals(data))
})

test('fetching a part - has one piece outstanding, starts small and stays within a mebibyte', async t => {
  const { holder, options } = await party(t)
  const data = bytes(SIZE)
  const asked: { offset: number; length: number }[] = []
  let answered = 0
  let overlaps = 0
  await holdWith(holder, idOf(data), ({ offset, length }) => {
    if (asked.push({ offset, length }) - answered > 1) overlaps++
    answered++
    return piece(offset, data.subarray(offset, offset + length))
  })
  await fetchPart(idOf(data), options)
  t.is(overlaps, 0)
  t.is(asked[0]?.length, 65_536)
  let next = 0
  for (const { offset, length } of asked) {
    t.is(offset, next)
    t.true(length <= 2 ** 20)
    next += length
  }
  t.is(next, SIZE)
})

test('fetching a part - a piece that is lost is asked for again', async t => {
  const { holder, options } = await party(t, { pieceTimeoutMs: 500, attempts: 3 })
  const data = bytes(100_000)
  const requests = await holdWith(holder, idOf(data), ({ offset, length }, nth) =>
    nth === 1 ? undefined : piece(offset, data.subarray(offset, offset + length)),
  )
  t.true((await readFile(await fetchPart(idOf(data), options))).equals(data))
  const offsets: number[] = []
  requests.subscribe(({ offset }) => offsets.push(offset))
  // Two pieces, and one of them again.
  t.true(offsets.length >= 3, offsets.join())
})

test('fetching a part - stray, late and malformed answers are passed over', async t => {
  const { holder, options } = await party(t)
  const data = bytes(100_000)
  const { sha256 } = idOf(data)
  await holdWith(holder, idOf(data), ({ offset, length, requester }) => {
    const topic = TOPICS.model.chunk(sha256, requester)
    const strays = [
      new Uint8Array(),
      new Uint8Array(7),
      piece(offset, new Uint8Array()),
      piece(offset + 1, new Uint8Array(length)),
      piece(offset, new Uint8Array(length + 1)),
      piece(NaN, new Uint8Array(length)),
    ]
    for (const stray of strays) void holder.publish(topic, stray)
    return piece(offset, data.subarray(offset, offset + length))
  })
  t.true((await readFile(await fetchPart(idOf(data), options))).equals(data))
})

test('fetching a part - a piece that is damaged once is fetched anew with the rest', async t => {
  const { holder, options } = await party(t)
  const data = bytes(1_000)
  await holdWith(holder, idOf(data), ({ offset, length }, nth) => {
    const sent = data.slice(offset, offset + length)
    return piece(offset, nth === 0 ? sent.with(9, (sent[9] ?? 0) ^ 1) : sent)
  })
  t.true((await readFile(await fetchPart(idOf(data), options))).equals(data))
})

test('fetching a part - bytes of another hash are refused, and nothing stays', async t => {
  const { holder, store, options } = await party(t)
  const data = bytes(1_000)
  const wrong = { ...idOf(data), sha256: 'a'.repeat(64) }
  await serve(holder, data, wrong)
  t.is(await rejection(fetchPart(wrong, options)), 'PART_CORRUPT')
  t.deepEqual(await filesIn(store), [])
})

test('fetching a part - nobody who has it, or one who has less, is said', async t => {
  const { holder, store, options } = await party(t, { pieceTimeoutMs: 50 })
  const data = bytes(1_000)
  await serve(holder, data)
  const unknown = { sha256: 'b'.repeat(64), bytes: 10 }
  const error = await t.throwsAsync(fetchPart(unknown, options), { code: 'PART_UNAVAILABLE' })
  t.true(error?.message.includes(unknown.sha256))
  t.is(await rejection(fetchPart({ ...idOf(data), bytes: 1_001 }, options)), 'PART_UNAVAILABLE')
  t.deepEqual(await filesIn(store), [])
})

test('fetching a part - stops at once when it is told to, however far it is', async t => {
  const { holder, store, options } = await party(t)
  const data = bytes(200_000)
  const abort = new AbortController()
  const requests = await holdWith(holder, idOf(data), ({ offset, length }) =>
    offset === 0 ? piece(offset, data.subarray(offset, offset + length)) : undefined,
  )
  const fetching = rejection(fetchPart(idOf(data), { ...options, signal: abort.signal }))
  await until(requests, ({ offset }) => offset > 0)
  abort.abort()
  t.is(await fetching, 'STOPPED')
  t.is(await rejection(fetchPart(idOf(data), { ...options, signal: abort.signal })), 'STOPPED')
  await settled()
  t.deepEqual(await filesIn(store), [])
})

test('fetching a part - a transfer that takes longer than its limit is given up with a code', async t => {
  const { holder, options } = await party(t)
  const data = bytes(100)
  await holdWith(holder, idOf(data), () => undefined)
  const fetching = fetchPart(idOf(data), { ...options, signal: AbortSignal.timeout(20) })
  await t.throwsAsync(fetching, { code: 'PART_UNAVAILABLE', message: /limit/ })
})

test('fetching a part - a connection that is lost is said', async t => {
  const { options } = await party(t)
  await options.bus.close()
  t.is(await rejection(fetchPart({ sha256: 'c'.repeat(64), bytes: 10 }, options)), 'BUS_CLOSED')
})

test('fetching a part - those who ask for it at once share one transfer, until the last of them stops', async t => {
  const { holder, store, options } = await party(t)
  const data = bytes(200_000)
  let go: () => void = () => {}
  const held = new Promise<void>(resolve => (go = resolve))
  const requests = await listen(holder, TOPICS.model.request(idOf(data).sha256), 1)
  const asked: number[] = []
  requests
    .pipe(map(({ payload }) => PartRequest.parse(JSON.parse(new TextDecoder().decode(payload)))))
    .subscribe(({ offset, length, requester }) => {
      asked.push(offset)
      const answer = piece(offset, data.subarray(offset, offset + length))
      void held.then(() => holder.publish(TOPICS.model.chunk(idOf(data).sha256, requester), answer))
    })
  const [one, two] = [new AbortController(), new AbortController()]
  const fetches = [one.signal, two.signal, undefined].map(signal =>
    fetchPart(idOf(data), signal === undefined ? options : { ...options, signal }),
  )
  await until(requests)
  one.abort()
  t.is(await rejection(fetches[0] ?? Promise.resolve()), 'STOPPED')
  go()
  for (const fetched of fetches.slice(1)) t.true((await readFile(await fetched)).equals(data))
  t.deepEqual(asked, [...new Set(asked)])
  t.deepEqual(await filesIn(store), [`${idOf(data).sha256}.onnx`])
  two.abort()
  t.is(await fetchPart(idOf(data), options), store.pathOf(idOf(data).sha256))
})

test('fetching a part - one that has no room is refused before it is asked for', async t => {
  const { holder, store, options } = await party(t, {}, 1_000)
  const data = bytes(1_001)
  const requests = await holdWith(holder, idOf(data), () => undefined)
  let asked = 0
  requests.subscribe(() => asked++)
  t.is(await rejection(fetchPart(idOf(data), options)), 'CACHE_FULL')
  t.is(asked, 0)
  t.deepEqual(await filesIn(store), [])
})

test('serving parts - answers several at once, sends no more than a mebibyte, and passes nonsense over', async t => {
  const { holder, connect, options } = await party(t)
  const data = bytes(SIZE)
  const { sha256 } = idOf(data)
  const { errors } = await serve(holder, data)
  const answers = await listen(options.bus, TOPICS.model.chunk(sha256, 'greedy'))
  const ask = (topic: string, message: unknown) => options.bus.publish(topic, encodeControl(message))
  await ask(TOPICS.model.request(sha256), 'nonsense')
  await ask(TOPICS.model.request(sha256), { requester: 'greedy', offset: -1, length: 10 })
  await ask(TOPICS.model.request(sha256), { requester: '../#', offset: 0, length: 10 })
  await ask(`${TOPICS.root}/model/nonsense/request`, { requester: 'greedy', offset: 0, length: 10 })
  await ask(TOPICS.model.request(sha256), { requester: 'gone', offset: 0, length: 10 })
  await ask(TOPICS.model.request(sha256), { requester: 'greedy', offset: 5, length: 1e12 })
  const { payload } = await until(answers)
  t.true(Buffer.from(piece(5, data.subarray(5, 5 + 2 ** 20))).equals(payload))
  const others = await Promise.all(
    ['w2', 'w3'].map(async requester => ({
      ...options,
      bus: await connect(requester),
      store: await testStore(t),
      requester,
    })),
  )
  const paths = await Promise.all(others.map(options => fetchPart(idOf(data), options)))
  for (const path of paths) t.deepEqual(idOf(await readFile(path)), idOf(data))
  t.deepEqual(errors, [])
})

test('serving parts - tells why it could not answer, and goes on', async t => {
  const { holder, options } = await party(t, { pieceTimeoutMs: 100, attempts: 5 })
  const data = bytes(10)
  const errors: MillraceError[] = []
  const read = async (_sha256: string, offset: number, length: number) => {
    if (errors.length === 0) throw new Error('disk on fire')
    return data.subarray(offset, offset + length)
  }
  await serveParts(holder, TOPICS, read, error => errors.push(error))
  t.true((await readFile(await fetchPart(idOf(data), options))).equals(data))
  t.deepEqual(
    errors.map(({ code, message }) => [code, message]),
    [['INTERNAL', 'disk on fire']],
  )
})
