#!/usr/bin/env node
import { main } from './cli/main.js'
import { commands } from './commands/index.js'

process.exit(await main(commands, process.argv.slice(2)))
