import { type Recovered } from './recovery.js'
import { type Verdict } from './checker.js'
import { type FaultName } from './fault-kinds.js'

/** A fault that has happened, and what came of it. */
export interface Suffered extends Recovered {
  readonly fault: FaultName
  readonly stage: number | undefined
  readonly worker: string | undefined
}

export function sufferedText({ fault, stage, worker, detectMs, resumeMs }: Suffered): string {
  const where = [stage === undefined ? '' : ` of stage ${stage}`, worker === undefined ? '' : ` on ${worker}`]
  const detected = detectMs === undefined ? 'nobody said so' : `noticed after ${detectMs.toFixed()} ms`
  const resumed = resumeMs === undefined ? 'NOT resumed' : `resumed after ${resumeMs.toFixed()} ms`
  return `${fault}${where.join('')}: ${detected}, ${resumed}`
}

export function summaryText({ admitted, predicted, lost, duplicates, misordered, wrong }: Verdict): string {
  const counts = `${lost} lost, ${duplicates} duplicated, ${misordered} misordered, ${wrong} wrong`
  return `frames     ${predicted} predicted of ${admitted} admitted; ${counts}`
}
