import { z } from 'zod'
import { defineOptions, type Options } from '../core/options.js'
import { DEFAULT_ROOT } from '../core/topics.js'

export const connectOptions = defineOptions({
  root: {
    check: z.string(),
    default: DEFAULT_ROOT,
    value: 'TOPIC',
    doc: 'Topic under which all messages are.',
  },
  username: { check: z.string(), value: 'NAME', doc: 'User name for the broker.' },
  password: {
    check: z.string(),
    value: 'TEXT',
    doc: 'Password for the broker; better in the environment variable `MILLRACE_PASSWORD`.',
  },
  connectTimeoutMs: {
    check: z.coerce.number().int().min(100),
    default: 5_000,
    value: 'MS',
    doc: 'Limit on the wait for a broker or a supervisor to answer.',
  },
  sendTimeoutMs: {
    check: z.coerce.number().int().min(100),
    default: 10_000,
    value: 'MS',
    doc: 'Limit on the wait for a frame to leave.',
  },
})

export type ConnectOptions = Options<typeof connectOptions>
