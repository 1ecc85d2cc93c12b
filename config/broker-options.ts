import { z } from 'zod'
import { defineOptions } from '../core/options.js'

export const brokerOptions = defineOptions({
  host: {
    check: z.string().min(1),
    default: '127.0.0.1',
    value: 'ADDRESS',
    doc: 'Address that the broker listens on.',
  },
  port: {
    check: z.coerce.number().int().min(0).max(65_535),
    default: 1_883,
    value: 'PORT',
    doc: 'Port that the broker listens on; 0 for a free one.',
  },
  user: {
    check: z.string().regex(/^[^:]+:.+$/s, 'must be NAME:PASSWORD'),
    value: 'NAME:PASSWORD',
    doc: 'The one user that may connect; needed to listen beyond loopback. Also in `MILLRACE_USER`.',
  },
})
