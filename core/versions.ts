import { type ModelFiles, type Plan } from './control/index.js'

const VERSION_DIGITS = 12

/** What a model's version is called: the first 12 digits of its SHA-256. */
export function versionOf({ sha256 }: Pick<ModelFiles, 'sha256'>): string {
  return sha256.slice(0, VERSION_DIGITS)
}

/**
 * Whether a canary takes a frame: so many of any run of a stream's frames as its share says, to within one, evenly spread.
 * @param sequence  of the frame in its stream, from 0
 * @param share  above 0 and below 1
 */
export function isCanaryFrame(sequence: number, share: number): boolean {
  return Math.floor((sequence + 1) * share) > Math.floor(sequence * share)
}

/** The versions in force: the one that takes all frames or most, and the canary. */
export function versionsIn({ canary, ...plan }: Plan): Plan[] {
  return canary === undefined ? [plan] : [plan, canary.plan]
}

/** Whether `plan` takes the place of `other`, of the same pipeline (promise 7). */
export function isNewer(plan: Plan, other: Plan): boolean {
  const [one, two] = [revisionOf(plan), revisionOf(other)]
  return one.term === two.term ? one.number > two.number : one.term > two.term
}

/** Which state of a pipeline's plan this is. Numbers grow within a term, and begin anew with one that found nothing retained. */
export function revisionOf({ term, epoch, revision }: Plan): NonNullable<Plan['revision']> {
  return revision ?? { term, number: epoch }
}
