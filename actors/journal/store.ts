import { ClassicLevel } from 'classic-level'
import { MillraceError, messageOf } from '../../core/errors.js'
import { Digest } from './digest.js'

type Level = ClassicLevel<string, Uint8Array>
type Change =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: string }

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: MillraceError) => void
}

export interface StoreSettings {
  /** Whether each batch waits for the disk. */
  readonly sync: boolean
  /** Is told what writing fails with, once. */
  readonly onTrouble: (error: MillraceError) => void
}

/** Records are small and all in memory too; bodies are on disk only. */
const RECORD = 'r/'
const BODY = 'b/'
const DIGEST = 'digest'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * Records and bodies in a folder, on LevelDB. Changes are written in the order of the calls: all that gathered while a
 * batch was being written is the next batch, whole or not at all. After a write that failed, nothing is written any more.
 */
export class Store {
  private readonly table = new Map<string, string>()
  private readonly digest = new Digest()
  private changes: Change[] = []
  private waiters: Waiter[] = []
  private writing = false
  private broken: MillraceError | undefined

  private constructor(
    private readonly level: Level,
    private readonly path: string,
    private readonly settings: StoreSettings,
  ) {}

  /**
   * @throws what LevelDB throws; JOURNAL_CORRUPT: records are missing
   */
  static async open(path: string, settings: StoreSettings): Promise<Store> {
    // Tensors hardly get smaller.
    const level: Level = new ClassicLevel(path, { valueEncoding: 'view', compression: false })
    await level.open()
    const store = new Store(level, path, settings)
    try {
      await store.load()
      return store
    } catch (error) {
      await level.close()
      throw error
    }
  }

  get records(): ReadonlyMap<string, string> {
    return this.table
  }

  /** What writing has failed with. */
  get failure(): MillraceError | undefined {
    return this.broken
  }

  set(key: string, value: string): void {
    this.unset(key)
    this.table.set(key, value)
    this.digest.add(key, value)
    this.change({ type: 'put', key: RECORD + key, value: encoder.encode(value) })
  }

  delete(key: string): void {
    if (this.unset(key)) this.change({ type: 'del', key: RECORD + key })
  }

  /** @param bytes  not to be written to until `written` resolves */
  setBody(key: string, bytes: Uint8Array): void {
    this.change({ type: 'put', key: BODY + key, value: bytes })
  }

  deleteBody(key: string): void {
    this.change({ type: 'del', key: BODY + key })
  }

  /** Undefined where there is none. @throws JOURNAL_CORRUPT, JOURNAL_FAILED */
  async body(key: string): Promise<Uint8Array | undefined> {
    try {
      return await this.level.get(BODY + key)
    } catch (error) {
      throw failed(this.path, error)
    }
  }

  /** Resolves when all that was changed so far is written. @throws JOURNAL_FAILED */
  written(): Promise<void> {
    if (this.broken !== undefined) return Promise.reject(this.broken)
    if (this.changes.length === 0 && !this.writing) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.waiters.push({ resolve, reject })
      this.start()
    })
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    await this.written().catch(() => undefined)
    await this.level.close()
  }

  private async load(): Promise<void> {
    const range = { gte: RECORD, lt: 'r0' }
    for await (const [key, value] of this.level.iterator(range)) {
      const [name, text] = [key.slice(RECORD.length), decoder.decode(value)]
      this.table.set(name, text)
      this.digest.add(name, text)
    }
    const written = await this.level.get(DIGEST)
    if ((written === undefined ? '0:0' : decoder.decode(written)) !== this.digest.toString())
      throw corrupt(this.path, 'records are missing or changed')
  }

  private unset(key: string): boolean {
    const old = this.table.get(key)
    if (old !== undefined) this.digest.remove(key, old)
    return this.table.delete(key)
  }

  private change(change: Change): void {
    if (this.broken !== undefined) return
    this.changes.push(change)
    this.start()
  }

  private start(): void {
    if (this.writing) return
    this.writing = true
    // What else this turn of the event loop brings goes along.
    setImmediate(() => void this.write())
  }

  private async write(): Promise<void> {
    while (this.changes.length > 0 || this.waiters.length > 0) {
      const { changes, waiters } = this
      this.changes = []
      this.waiters = []
      try {
        if (changes.length > 0) await this.writeBatch(changes)
        for (const { resolve } of waiters) resolve()
      } catch (error) {
        this.fail(failed(this.path, error), waiters)
      }
    }
    this.writing = false
  }

  private async writeBatch(changes: Change[]): Promise<void> {
    const digest: Change = { type: 'put', key: DIGEST, value: encoder.encode(this.digest.toString()) }
    await this.level.batch([...changes, digest], { sync: this.settings.sync })
  }

  /** LevelDB may lose what is written after a write that failed: it must not seem to be there. */
  private fail(error: MillraceError, waiters: readonly Waiter[]): void {
    this.broken = error
    this.settings.onTrouble(error)
    for (const { reject } of [...waiters, ...this.waiters]) reject(error)
    this.changes = []
    this.waiters = []
  }
}

export function corrupt(path: string, what: string, cause?: unknown): MillraceError {
  const way = 'move the folder away and start with a new one: the frames in it that had not ended are lost'
  return new MillraceError('JOURNAL_CORRUPT', `the journal '${path}' is damaged (${what}); ${way}`, { cause })
}

/** @param error  what LevelDB threw */
export function failed(path: string, error: unknown): MillraceError {
  if (error instanceof MillraceError) return error
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const what = messageOf(cause)
  if (/corruption/i.test(what) || codeOf(cause) === 'LEVEL_CORRUPTION') return corrupt(path, what, error)
  return new MillraceError('JOURNAL_FAILED', `the journal '${path}' cannot be used: ${what}`, {
    cause: error,
  })
}

export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
