import { type Bus, type Subscription } from '../../core/bus.js'
import { decodeControl, encodeControl, PartRequest } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { levelsBelow, type Topics } from '../../core/topics.js'
import { type PartId } from './files.js'
import { type PartStore } from './part-store.js'
import { FIRST_PIECE, LARGEST_PIECE, nextPiece } from './piece-length.js'
import { reasonOf } from './shared-work.js'

/** Before the bytes of a piece: their offset, as a little-endian float64. */
const PIECE_HEADER = 8

export type ReadPart = (sha256: string, offset: number, length: number) => Promise<Uint8Array | undefined>

/**
 * Answers requests for parts that `read` knows, until the subscription is closed.
 * @param holder  a worker's name: only requests that name it are answered; left out: those that name none, so that each
 *   piece is sent once
 */
export function serveParts(
  bus: Bus,
  topics: Topics,
  read: ReadPart,
  onError: (error: MillraceError) => void,
  holder?: string,
): Promise<Subscription> {
  return bus.subscribe(topics.model.requests, message => {
    const [, sha256] = levelsBelow(topics.root, message.topic) ?? []
    const request = decodeControl(PartRequest, message.payload)
    if (sha256 === undefined || request === undefined || request.holder !== holder) return
    answer(bus, topics, read, sha256, request).catch((error: unknown) => onError(MillraceError.from(error)))
  })
}

async function answer(
  bus: Bus,
  topics: Topics,
  read: ReadPart,
  sha256: string,
  request: PartRequest,
): Promise<void> {
  const piece = await read(sha256, request.offset, Math.min(request.length, LARGEST_PIECE))
  if (piece === undefined) return
  const message = new Uint8Array(PIECE_HEADER + piece.byteLength)
  new DataView(message.buffer).setFloat64(0, request.offset, true)
  message.set(piece, PIECE_HEADER)
  await bus.publish(topics.model.chunk(sha256, request.requester), message)
}

export interface FetchOptions {
  readonly bus: Bus
  readonly topics: Topics
  readonly store: PartStore
  /** Names this end in the answers' topic; its own among all that fetch. */
  readonly requester: string
  /** Wait for one piece before it is asked for again, in ms. */
  readonly pieceTimeoutMs: number
  readonly attempts: number
  /** Workers that are asked, one after the other where one does not answer, before those who are none. */
  readonly holders?: readonly string[]
  readonly signal?: AbortSignal
}

/**
 * Fetches a part into the store, one piece outstanding at a time, and verifies it; a part that is there already is not
 * fetched, and one that arrives damaged is fetched once more. Those who ask for one part at once share one transfer,
 * which goes on until the last of them is stopped.
 * @returns its path
 * @throws PART_UNAVAILABLE: nobody answers for it, or not within the time of a timeout signal; PART_CORRUPT; CACHE_FULL,
 *   DISK_FULL; STOPPED; BUS_CLOSED, PUBLISH_TIMEOUT
 */
export async function fetchPart(part: PartId, options: FetchOptions): Promise<string> {
  const { store, signal } = options
  await store.transfers.run(part.sha256, shared => transfer(part, { ...options, signal: shared }), signal)
  return store.pathOf(part.sha256)
}

async function transfer(part: PartId, options: FetchOptions): Promise<void> {
  const { bus, topics, store, requester } = options
  if (await store.has(part)) return
  const inbox = new PieceInbox()
  const subscription = await bus.subscribe(topics.model.chunk(part.sha256, requester), ({ payload }) =>
    inbox.put(payload),
  )
  try {
    await receive(part, options, inbox).catch((error: unknown) => {
      if (!(error instanceof MillraceError) || error.code !== 'PART_CORRUPT') throw error
      return receive(part, options, inbox)
    })
  } finally {
    await subscription.close()
  }
}

function receive(part: PartId, options: FetchOptions, inbox: PieceInbox): Promise<void> {
  return options.store.receive(part, write => pull(part, options, inbox, write))
}

async function pull(
  part: PartId,
  options: FetchOptions,
  inbox: PieceInbox,
  write: (chunk: Uint8Array) => Promise<void>,
): Promise<void> {
  let length = FIRST_PIECE
  const sources = sourcesOf(options)
  for (let offset = 0; offset < part.bytes;) {
    const askedAt = performance.now()
    const piece = await ask(part, options, sources, inbox, offset, Math.min(length, part.bytes - offset))
    await write(piece)
    offset += piece.byteLength
    length = nextPiece(length, performance.now() - askedAt)
  }
}

/** Who is to be asked, the next first: somebody who does not answer goes to the end of the line. */
function sourcesOf({ holders = [] }: FetchOptions): (string | undefined)[] {
  return [...holders, undefined]
}

async function ask(
  part: PartId,
  { bus, topics, requester, pieceTimeoutMs, attempts, signal }: FetchOptions,
  sources: (string | undefined)[],
  inbox: PieceInbox,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  for (let attempt = 0; attempt < Math.max(attempts, sources.length); attempt++) {
    const answered = inbox.wait(offset, length, pieceTimeoutMs, signal)
    const [holder] = sources
    const request: PartRequest = { requester, offset, length, ...(holder === undefined ? {} : { holder }) }
    // Not awaited: the answer or a stop may come before the broker's word.
    bus
      .publish(topics.model.request(part.sha256), encodeControl(request), { qos: 1 })
      .catch((error: unknown) => inbox.cancel(answered, MillraceError.from(error)))
    const piece = await answered
    if (piece !== undefined) return piece
    sources.push(sources.shift())
  }
  throw new MillraceError(
    'PART_UNAVAILABLE',
    `nobody answered ${attempts} requests for bytes ${offset} to ${offset + length} of part ${part.sha256}`,
  )
}

/** Where the answer to the one outstanding request arrives; late answers to earlier requests are ignored. */
class PieceInbox {
  private take: ((piece: Uint8Array) => void) | undefined
  private fail: ((error: MillraceError) => void) | undefined
  private current: Promise<Uint8Array | undefined> | undefined

  put(payload: Uint8Array): void {
    this.take?.(payload)
  }

  /** Fails `wait`, unless it has settled or another has begun. */
  cancel(wait: Promise<Uint8Array | undefined>, error: MillraceError): void {
    if (wait === this.current) this.fail?.(error)
  }

  /** @returns the piece, or undefined when none came in time */
  wait(
    offset: number,
    length: number,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    this.current = new Promise((resolve, reject) => {
      const stop = () => this.fail?.(reasonOf(signal))
      const timer = setTimeout(() => settle(() => resolve(undefined)), timeoutMs)
      const settle = (act: () => void) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', stop)
        this.take = this.fail = undefined
        act()
      }
      this.take = payload => {
        const piece = pieceOf(payload, offset, length)
        if (piece !== undefined) settle(() => resolve(piece))
      }
      this.fail = error => settle(() => reject(error))
      signal?.addEventListener('abort', stop)
      if (signal?.aborted === true) stop()
    })
    return this.current
  }
}

/** A copy of the piece's bytes, or undefined where the payload is not the answer that is waited for. */
function pieceOf(payload: Uint8Array, offset: number, length: number): Uint8Array | undefined {
  const size = payload.byteLength - PIECE_HEADER
  if (size < 1 || size > length) return undefined
  const view = new DataView(payload.buffer, payload.byteOffset, PIECE_HEADER)
  return view.getFloat64(0, true) === offset ? new Uint8Array(payload.subarray(PIECE_HEADER)) : undefined
}
