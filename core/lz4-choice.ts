import { z } from 'zod'

/** Whether the tensors that leave a stage are compressed: where that makes the link faster than it costs time, all, or none. */
export const Lz4 = z.enum(['auto', 'always', 'never'])
export type Lz4 = z.infer<typeof Lz4>

/** What came of compressing the tensors of a message. */
export interface Packing {
  readonly rawBytes: number
  /** Of the message. */
  readonly bytes: number
  readonly ms: number
}

/** A message is compressed to find out what that is worth, after so long and so many that were not. */
const PROBE_MS = 5_000
const PROBE_MESSAGES = 32
/** So many messages show what compressing takes: a machine under a quota of its processor stands still during one of some. */
const REMEMBERED = 8
/** LZ4 at both ends takes no less than this for a byte, in ms: where even all of a link's time is less, nobody need try. */
const LEAST_MS_OF_BYTE = 1e-6
/** What the link saves, in times of what both ends take, from which to begin, and below which to end. */
const BEGIN = 1.5
const END = 1

/**
 * Decides for the link that a stage sends over whether LZ4 pays there (decision D7): when the time that it saves the link is
 * longer than what compressing takes here, and as long again for the receiver. It goes by what compressing comes to with the
 * frames of late, and by how fast the link has delivered messages, so that it is decided anew when either changes.
 */
export class Lz4Choice {
  private isOn = false
  private recent: readonly Packing[] = []
  private probedAt = -Infinity
  private rawMessages = PROBE_MESSAGES

  constructor(
    private readonly wish: Lz4,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Whether messages are compressed, but for those that are compressed to try that. */
  get compresses(): boolean {
    return this.wish === 'auto' ? this.isOn : this.wish === 'always'
  }

  /** What is left of messages' tensors where they are compressed: 1 or less; undefined: they are not. */
  get left(): number | undefined {
    if (!this.compresses || this.recent.length === 0) return undefined
    const [raw, left] = [sum(this.recent, 'rawBytes'), sum(this.recent, 'bytes')]
    return raw > 0 ? Math.min(1, left / raw) : undefined
  }

  /**
   * Whether to compress the next message.
   * @param mbps  what the link does, in 10^6 bit/s; undefined: not known
   */
  next(mbps: number | undefined): boolean {
    if (this.wish !== 'auto') return this.compresses
    if (mbps === undefined) return (this.isOn = false)
    this.isOn = this.recent.length > 0 && gainOf(this.recent, mbps) >= (this.isOn ? END : BEGIN)
    return this.isOn || this.probes(mbps)
  }

  /** A message was compressed. One that was to try that says more than those of long ago. */
  packed(packing: Packing): void {
    this.recent = [...(this.compresses ? this.recent : []), packing].slice(-REMEMBERED)
  }

  private probes(mbps: number): boolean {
    if (8e-3 / mbps < BEGIN * LEAST_MS_OF_BYTE) return false
    if (this.rawMessages++ < PROBE_MESSAGES || this.now() - this.probedAt < PROBE_MS) return false
    this.rawMessages = 0
    this.probedAt = this.now()
    return true
  }
}

/** The time that the link saves, in times of that which both ends take. */
function gainOf(packings: readonly Packing[], mbps: number): number {
  const saved = sum(packings, 'rawBytes') - sum(packings, 'bytes')
  return (saved * 8) / 1e3 / mbps / (2 * sum(packings, 'ms'))
}

function sum(packings: readonly Packing[], what: keyof Packing): number {
  return packings.reduce((total, one) => total + one[what], 0)
}
