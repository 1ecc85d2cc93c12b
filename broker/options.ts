import { z } from 'zod'
import { defineOptions, type Options, type OptionsInput } from '../core/options.js'

const bytes = z.coerce.number().int().min(1)
const many = z.coerce.number().int().min(1)

/** Bounds of the embedded broker: nothing that a client does makes it queue without a limit (promise 8). */
export const brokerLimits = defineOptions({
  maxPacketBytes: {
    check: bytes,
    default: 16 * 2 ** 20,
    value: 'BYTES',
    doc: 'Largest MQTT packet that is taken in.',
  },
  maxConnections: { check: many, default: 1_000, value: 'N', doc: 'Connections at once.' },
  connectTimeoutMs: {
    check: many,
    default: 10_000,
    value: 'MS',
    doc: 'Time that a client has to introduce itself.',
  },
  maxQueuedBytes: {
    check: bytes,
    default: 64 * 2 ** 20,
    value: 'BYTES',
    doc: 'Bytes that may wait for one client; from half of it on, messages of QoS 0 to it are dropped and counted; above, it is disconnected.',
  },
  stalledMs: {
    check: many,
    default: 120_000,
    value: 'MS',
    doc: 'A client that takes and sends nothing for so long, while bytes wait for it, is disconnected.',
  },
  maxRetainedMessages: {
    check: many,
    default: 10_000,
    value: 'N',
    doc: 'Retained messages; above, the oldest go.',
  },
  maxRetainedBytes: {
    check: bytes,
    default: 64 * 2 ** 20,
    value: 'BYTES',
    doc: 'Bytes of retained messages and their topics; above, the oldest go.',
  },
  maxSessions: {
    check: many,
    default: 1_000,
    value: 'N',
    doc: 'Sessions kept for absent clients; above, the oldest go.',
  },
  maxSessionBytes: {
    check: bytes,
    default: 16 * 2 ** 20,
    value: 'BYTES',
    doc: 'Bytes kept for one session, of 256 for each message and its payload; above, its oldest messages go.',
  },
})

export type BrokerLimits = Options<typeof brokerLimits>
export type BrokerLimitsInput = OptionsInput<typeof brokerLimits>
