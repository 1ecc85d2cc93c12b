import { type CommandDefinition } from '../cli/command.js'
import { brokerCommand } from './broker.js'
import { chaosCommand } from './chaos.js'
import { deployCommand } from './deploy.js'
import { downCommand } from './down.js'
import { emulateCommand } from './emulate.js'
import { ingressCommand } from './ingress.js'
import { planCommand } from './plan.js'
import { profileCommand } from './profile.js'
import { runCommand } from './run.js'
import { statusCommand } from './status.js'
import { supervisorCommand } from './supervisor.js'
import { upCommand } from './up.js'
import { promoteCommand, rollbackCommand } from './versions.js'
import { workerCommand } from './worker.js'

/** Every command, in the order of the help. */
export const commands = [
  upCommand,
  downCommand,
  brokerCommand,
  supervisorCommand,
  workerCommand,
  ingressCommand,
  planCommand,
  profileCommand,
  deployCommand,
  promoteCommand,
  rollbackCommand,
  runCommand,
  statusCommand,
  chaosCommand,
  emulateCommand,
] as readonly CommandDefinition[]
