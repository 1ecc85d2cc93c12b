import { type Bus, type BusMessage, type BusState } from '../../core/bus.js'
import { MillraceError } from '../../core/errors.js'
import { firstWhere } from '../../core/wait.js'

/** A wait that lasts so long has failed; no test waits for it to pass. */
const LIMIT_MS = 60_000

export interface Received {
  readonly topic: string
  /** A copy. */
  readonly bytes: Uint8Array
  readonly text: string
  readonly owned: boolean
  readonly retained: boolean
}

/** What arrives, and a wait until enough of it has. */
export class Inbox {
  readonly messages: Received[] = []
  private arrived: () => void = () => undefined

  readonly handler = ({ topic, payload, owned, retained }: BusMessage): void => {
    const bytes = new Uint8Array(payload)
    // A long payload is no text, and to make one of it takes long.
    const text = bytes.byteLength > 1_000 ? '' : Buffer.from(bytes).toString()
    this.messages.push({ topic, bytes, text, owned, retained })
    this.arrived()
  }

  get texts(): string[] {
    return this.messages.map(({ text }) => text)
  }

  /** Resolves when there are `count` messages or more. */
  async holds(count: number): Promise<void> {
    await this.until(() => this.messages.length >= count, `${count} messages`)
  }

  async hears(text: string): Promise<void> {
    await this.until(() => this.messages.some(message => message.text === text), `'${text}'`)
  }

  private async until(test: () => boolean, what: string): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve, reject) => {
      this.arrived = () => {
        if (test()) resolve()
      }
      timer = setTimeout(
        () => reject(new Error(`${this.messages.length} messages came in ${LIMIT_MS} ms, but not ${what}`)),
        LIMIT_MS,
      )
      this.arrived()
    }).finally(() => clearTimeout(timer))
  }
}

export async function inboxOf(bus: Bus, filter: string, options?: { qos?: 0 | 1 }): Promise<Inbox> {
  const inbox = new Inbox()
  await bus.subscribe(filter, inbox.handler, options)
  return inbox
}

export async function reaches(bus: Bus, state: BusState): Promise<void> {
  const late = () => new MillraceError('INTERNAL', `the bus did not become ${state}`)
  await firstWhere(bus.state$, value => value === state, LIMIT_MS, late)
}

/** The states of a bus from now on. */
export function statesOf(bus: Bus): BusState[] {
  const states: BusState[] = []
  bus.state$.subscribe(state => states.push(state))
  return states
}

export function textOf(text: string): Uint8Array {
  return Buffer.from(text)
}
