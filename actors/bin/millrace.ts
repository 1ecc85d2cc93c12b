#!/usr/bin/env node
import { collectSeldom } from '../machine/index.js'
import { main } from './cli/main.js'
import { commands } from './commands/index.js'

collectSeldom()
process.exit(await main(commands, process.argv.slice(2)))
