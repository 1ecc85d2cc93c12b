import { z } from 'zod'
import { brokerOptions } from '../../../config/broker-options.js'
import { MillraceError } from '../../../core/errors.js'
import { defineOptions } from '../../../core/options.js'
import { defineCommand } from '../cli/command.js'
import { StateFolder } from '../detached/state-folder.js'
import { STOP_LIMIT_MS, type StopOutcome, stopDetached } from '../detached/stop-detached.js'
import { stateOption } from './up.js'

const OUTCOMES: Readonly<Record<StopOutcome, string>> = {
  stopped: 'is stopped',
  killed: 'did not stop in order, and was killed',
  'gone already': 'had ended already; what it left is removed',
}

export const downCommand = defineCommand({
  name: 'down',
  summary: 'Stop what `up --detach` runs in the background.',
  options: defineOptions({
    port: {
      check: z.coerce.number().int().min(1).max(65_535),
      default: brokerOptions.port.default,
      value: 'PORT',
      doc: 'Port that its broker listens on.',
    },
    ...stateOption,
    stopLimitMs: {
      check: z.coerce.number().int().min(0),
      default: STOP_LIMIT_MS,
      value: 'MS',
      doc: 'Time that it has to stop in order; what is left then is killed.',
    },
  }),
  async run(session, { port, stateDir, stopLimitMs }) {
    const state = new StateFolder(stateDir)
    const found = await state.find(port)
    if (found === undefined) throw notRunning(port, await state.ports())
    const outcome = await session.untilStopped(stopDetached(state, found, stopLimitMs))
    const { pid, broker } = found.record
    session.print(`what ran on ${broker}, process ${pid}, ${OUTCOMES[outcome]}`, {
      port,
      pid,
      broker,
      outcome,
    })
  },
})

function notRunning(port: number, others: readonly number[]): MillraceError {
  const where = others.length === 0 ? 'nor on any other' : `but on ${others.join(', ')}`
  return new MillraceError('NOT_RUNNING', `no 'millrace up --detach' runs on port ${port}, ${where}`)
}
