import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Cleanup } from '../../../core/cleanup.js'
import { CliRun } from '../../support/cli.js'
import { inCheckout } from '../../support/index.js'
import { hasMosquitto, startMosquitto } from '../../support/mosquitto.js'
import { type EndReply, type EndRequest } from './end.js'
import { quantile } from '../../../core/costs/index.js'
import { type Way, WAYS } from './ways.js'

/** Messages on their way at once, where throughput is measured. */
export const WINDOW = 4
export const SIZES = [10_000, 200_000, 800_000, 3_200_000] as const
/** Of one way and size in one round: some tenths of a second for each. */
const BURST_BYTES = 48e6
const FEWEST = 24
const MOST = 1_500
const SINGLES = 100
/** In which Linux counts processor time. */
const TICK_MS = 10

/** What one round found out about one way at one size. */
export interface Sample {
  readonly way: Way
  readonly bytes: number
  /** 10^6 bytes a second, with `WINDOW` messages on their way. */
  readonly mbps: number
  /** From the call of send until the receiver has the message, one at a time, in ms. */
  readonly p50: number
  readonly p99: number
  /** Of all processes of the way together; undefined where the system does not tell of a broker. */
  readonly cpuMs: number | undefined
}

export interface Measured {
  /** Round by round. */
  readonly rounds: readonly (readonly Sample[])[]
  readonly missing: readonly Way[]
}

/** Takes all ways in turn, round after round, so that what else the machine does hits them alike. */
export async function measure(rounds: number): Promise<Measured> {
  const cleanup = new Cleanup()
  try {
    const pairs: Pair[] = []
    for (const way of WAYS) {
      if (way !== 'mosquitto' || hasMosquitto()) pairs.push(await Pair.open(way, cleanup))
    }
    const taken: Sample[][] = []
    // The first round finds its way through cold code.
    for (let round = 0; round <= rounds; round++) taken.push(await takeRound(pairs))
    const missing = WAYS.filter(way => !pairs.some(pair => pair.way === way))
    return { rounds: taken.slice(1), missing }
  } finally {
    for (const failure of await cleanup.run()) console.error(failure.message)
  }
}

async function takeRound(pairs: readonly Pair[]): Promise<Sample[]> {
  const samples: Sample[] = []
  for (const bytes of SIZES) for (const pair of pairs) samples.push(await pair.sample(bytes))
  return samples
}

/** The two ends of a way, and the broker between them. */
class Pair {
  private constructor(
    readonly way: Way,
    private readonly sender: End,
    private readonly receiver: End,
    private readonly broker: Broker | undefined,
  ) {}

  static async open(way: Way, cleanup: Cleanup): Promise<Pair> {
    const broker = await brokerFor(way, cleanup)
    const [sender, receiver] = [new End(), new End()]
    cleanup.defer(`ending the ends of ${way}`, () => Promise.all([sender.stop(), receiver.stop()]))
    const { place = '', port = 0 } = await receiver.ask({ type: 'receive', way, broker: broker?.url })
    await sender.ask({ type: 'send', way, place, port })
    return new Pair(way, sender, receiver, broker)
  }

  async sample(bytes: number): Promise<Sample> {
    const count = Math.min(MOST, Math.max(FEWEST, Math.round(BURST_BYTES / bytes)))
    const many = await this.burst(bytes, count, WINDOW)
    const single = await this.burst(bytes, Math.min(SINGLES, count), 1)
    const tookMs = (many.arrived.at(-1) ?? NaN) - (many.sent[0] ?? NaN)
    const latencies = single.arrived.map((at, i) => at - (single.sent[i] ?? NaN))
    return {
      way: this.way,
      bytes,
      mbps: (count * bytes) / tookMs / 1e3,
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      cpuMs: many.cpuMs === undefined ? undefined : many.cpuMs / count,
    }
  }

  private async burst(bytes: number, count: number, window: number) {
    const ends = [this.sender, this.receiver]
    const before = cpuMsOf(this.broker)
    await Promise.all(ends.map(end => end.ask({ type: 'begin' })))
    await this.sender.ask({ type: 'burst', bytes, count, window })
    const [sent, arrived] = await Promise.all(ends.map(end => end.ask({ type: 'end' })))
    const after = cpuMsOf(this.broker)
    const between = before === undefined || after === undefined ? undefined : after - before
    const cpuMs = between === undefined ? undefined : between + (sent?.cpuMs ?? NaN) + (arrived?.cpuMs ?? NaN)
    return { sent: sent?.times ?? [], arrived: arrived?.times ?? [], cpuMs }
  }
}

/** A process that runs `end.ts`. */
class End {
  private readonly child: ChildProcess = fork(inCheckout('dist/test/bench/links/end.js'))

  async ask(request: EndRequest): Promise<EndReply> {
    const gone = new AbortController()
    const ended = once(this.child, 'exit', { signal: gone.signal }).then(
      () => Promise.reject(new Error('an end of a way ended')),
      () => Promise.reject(new Error('it was answered')),
    )
    const answer = once(this.child, 'message')
    this.child.send(request)
    try {
      const [reply] = (await Promise.race([answer, ended])) as [EndReply]
      if (reply.error !== undefined) throw new Error(reply.error)
      return reply
    } finally {
      gone.abort()
    }
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return
    const ended = once(this.child, 'exit')
    this.child.disconnect()
    await ended
  }
}

interface Broker {
  readonly url: string
  readonly pid: number | undefined
}

async function brokerFor(way: Way, cleanup: Cleanup): Promise<Broker | undefined> {
  if (way === 'broker') {
    const run = new CliRun(['broker', '--port', '0', '--json'])
    cleanup.defer('stopping the broker', () => run.stop())
    const { url } = JSON.parse(await run.firstLine()) as { url: string }
    return { url, pid: run.descendants('')[0] }
  }
  if (way !== 'mosquitto') return undefined
  const mosquitto = await startMosquitto()
  cleanup.defer('stopping Mosquitto', () => mosquitto.close())
  return { url: mosquitto.url, pid: mosquitto.pid }
}

/** Processor time of a broker so far, 0 of none, in ms; undefined where the system does not tell. Linux only. */
function cpuMsOf(broker: Broker | undefined): number | undefined {
  if (broker === undefined) return 0
  try {
    // Behind the name, which may have blanks and parentheses: fields 14 and 15.
    const text = readFileSync(`/proc/${broker.pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return TICK_MS * (Number(fields[11]) + Number(fields[12]))
  } catch {
    return undefined
  }
}
