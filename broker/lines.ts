import { type LineState } from '../core/faults.js'
import { FaultyLine } from './faulty-line.js'

/** Of a process that allows faults: a line to each address that it dials, opened when it first does. */
export class Lines {
  private readonly lines = new Map<string, Promise<FaultyLine>>()
  private readonly ends = new Map<string, NodeJS.Timeout>()

  /** @returns where to dial instead of `url` */
  async through(url: string): Promise<string> {
    return (await this.line(url)).url
  }

  /** The line to `url` is so for a while, then whole again; one that nobody dials is left alone. */
  async break(url: string, state: LineState, ms: number): Promise<void> {
    const line = await this.lines.get(url)
    if (line === undefined) return
    line.become(state)
    clearTimeout(this.ends.get(url))
    this.ends.set(url, setTimeout(() => line.become('whole'), ms).unref())
  }

  async close(): Promise<void> {
    for (const timer of this.ends.values()) clearTimeout(timer)
    const lines = await Promise.all(this.lines.values())
    await Promise.all(lines.map(line => line.close()))
  }

  private line(url: string): Promise<FaultyLine> {
    const known = this.lines.get(url) ?? FaultyLine.open(url)
    this.lines.set(url, known)
    return known
  }
}
