import { z } from 'zod'
import { defineOptions } from '../../../core/options.js'
import { profileOptions } from '../../profiler/index.js'
import { deployOptions } from '../../supervisor/index.js'
import { defineCommand, onlyArgument } from '../cli/command.js'
import { costsText } from '../profile/costs-text.js'
import { obtainCosts } from '../profile/obtain-costs.js'

const options = defineOptions({
  ...profileOptions,
  input: deployOptions.input,
  top: {
    check: z.coerce.number().int().min(1).max(10_000),
    default: 20,
    value: 'N',
    doc: 'Blocks in the table, the heaviest; all others are one line.',
  },
})

export const profileCommand = defineCommand({
  name: 'profile',
  arguments: '<model>',
  summary: 'Measure what a model costs on this machine, block by block, and keep that for plans.',
  options,
  async run(session, given, args) {
    const costs = await obtainCosts(session, onlyArgument(args, 'the model'), given)
    session.print(costsText(costs, given.top), costs)
  },
})
