import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { type Bus, type Will } from '../../core/bus.js'
import { type ErrorCode, MillraceError } from '../../core/errors.js'
import { inboxOf } from '../support/bus.js'

const test: TestFn = anyTest

export interface ConnectOptions {
  readonly clientId: string
  readonly will?: Will
  readonly reconnect?: boolean
  readonly maxMessageBytes?: number
}

/** A broker and what can be done to it. */
export interface BusSetting {
  readonly connect: (options: ConnectOptions) => Promise<Bus>
  /** Breaks this client's connection without a farewell. */
  readonly cut: (clientId: string) => Promise<void>
  /** Stops the broker. */
  readonly stop: () => Promise<void>
  /** Starts it again at the same address, with nothing kept; undefined where that cannot be. */
  readonly start?: () => Promise<void>
  /** Makes the broker publish on a topic of its own, `$…`. */
  readonly announce: () => Promise<void>
  readonly close: () => Promise<void>
}

/** A form of the bus. */
export interface BusForm {
  readonly name: string
  /** What is missing on this machine to test it; undefined where nothing is. */
  readonly lacks?: string
  start(): Promise<BusSetting>
}

export type Behaviour = (t: ExecutionContext, setting: BusSetting) => Promise<void>

/** Tests a behaviour on a broker of its own, whose clients are closed after it. */
export function behaviour(form: BusForm, title: string, run: Behaviour): void {
  test.serial(`${form.name} - ${title}`, async t => {
    if (form.lacks !== undefined) {
      t.log(`not tested here: ${form.lacks}`)
      t.pass()
      return
    }
    const setting = await form.start()
    const buses: Bus[] = []
    const connect = async (options: ConnectOptions) => {
      const bus = await setting.connect(options)
      buses.push(bus)
      return bus
    }
    t.teardown(async () => {
      await Promise.all(buses.map(bus => bus.close()))
      await setting.close()
    })
    await run(t, { ...setting, connect })
  })
}

/**
 * Publishes a value that is to be kept, and waits until a subscriber has seen it: a broker may confirm before it has dealt
 * with it.
 */
export async function keep(setting: BusSetting, bus: Bus, topic: string, payload: Uint8Array): Promise<void> {
  const witness = await setting.connect({ clientId: `witness-of-${topic}` })
  const inbox = await inboxOf(witness, topic)
  const before = inbox.messages.length
  await bus.publish(topic, payload, { qos: 1, retain: true })
  await inbox.holds(before + 1)
  await witness.close()
}

/** Asserts that `promise` fails with a MillraceError of this code. */
export async function failsWith(
  t: ExecutionContext,
  promise: Promise<unknown>,
  code: ErrorCode,
): Promise<void> {
  const error = await t.throwsAsync(promise, { instanceOf: MillraceError })
  t.is(error?.code, code, error?.message)
}
