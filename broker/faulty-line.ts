import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { type LineState } from '../core/faults.js'
import { listen } from './listen.js'

interface Pair {
  readonly near: Socket
  readonly far: Socket
}

/**
 * A line to one address that can be made faulty: whoever is to be reached through it is dialled at `url`. What goes
 * through is copied as it is, so that the ends notice nothing until something happens to the line.
 */
export class FaultyLine {
  private readonly pairs = new Set<Pair>()
  private current: LineState = 'whole'

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
    /** As that of the target, with another host and port. */
    readonly url: string,
  ) {
    server.on('connection', near => this.join(near))
    server.on('error', () => undefined)
  }

  /** @param target  such as `mqtt://192.168.1.10:1883` */
  static async open(target: string): Promise<FaultyLine> {
    const server = createServer({ noDelay: true })
    const port = await listen(server, '127.0.0.1', 0)
    server.unref()
    const url = new URL(target)
    return new FaultyLine(server, url, `${url.protocol}//127.0.0.1:${port}`)
  }

  /**
   * `cut`: what is connected breaks, and what comes is refused. `silent`: nothing comes through any more, in either
   * direction, and nobody is told; `whole` lets through what waited meanwhile.
   */
  become(state: LineState): void {
    this.current = state
    for (const pair of this.pairs) this.apply(pair)
  }

  async close(): Promise<void> {
    this.become('cut')
    this.server.close()
    await once(this.server, 'close')
  }

  private join(near: Socket): void {
    if (this.current === 'cut') return void near.destroy()
    const { hostname, port } = this.target
    const host = hostname.replace(/^\[(.*)\]$/, '$1')
    const pair = { near, far: connect({ host, port: Number(port), noDelay: true }) }
    this.pairs.add(pair)
    for (const socket of [pair.near, pair.far]) {
      socket.on('error', () => undefined)
      // On a silent line nobody hears that the other end is gone.
      socket.on('close', () => this.current !== 'silent' && this.drop(pair))
    }
    this.apply(pair)
  }

  private apply(pair: Pair): void {
    const { near, far } = pair
    near.unpipe(far)
    far.unpipe(near)
    if (this.current === 'silent') {
      near.pause()
      far.pause()
    } else if (this.current === 'cut' || near.destroyed || far.destroyed) this.drop(pair)
    else near.pipe(far).pipe(near)
  }

  private drop(pair: Pair): void {
    this.pairs.delete(pair)
    pair.near.destroy()
    pair.far.destroy()
  }
}
