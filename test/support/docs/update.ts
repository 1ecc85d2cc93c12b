import { readFileSync, writeFileSync } from 'node:fs'
import { inCheckout } from '../index.js'
import { fill } from './fill.js'
import { generatedSections } from './tables.js'

/** Writes the tables into `config/README.md`: `npm run docs`. */
const path = inCheckout('config/README.md')
writeFileSync(path, fill(readFileSync(path, 'utf8'), generatedSections()))
