import { MillraceError } from '../../errors.js'
import { type Instance } from './instance.js'

/** What a plan lacks, so that a caller can say what would do. */
export type Lack =
  /** The largest device that may run the block needs so many bytes more than it has. */
  | { readonly kind: 'memory'; readonly block: number; readonly device: string; readonly bytes: number }
  /** So many devices like the largest would hold the model; there are fewer that do not all fit. */
  | { readonly kind: 'devices'; readonly device: string; readonly needed: number; readonly present: number }
  /** Memory would do; but devices that the dispatcher can send to, or take results from, or links among them are too few. */
  | { readonly kind: 'links' }

export function infeasible(instance: Instance, within = ''): MillraceError {
  const lack = lackOf(instance)
  const sentence = `no plan fits${within === '' ? '' : ` that was found ${within}`}: ${inWords(lack)}`
  return new PlanInfeasibleError(sentence, lack)
}

export class PlanInfeasibleError extends MillraceError {
  constructor(
    message: string,
    readonly lack: Lack,
  ) {
    super('PLAN_INFEASIBLE', message)
  }
}

function lackOf(instance: Instance): Lack {
  return blockTooLarge(instance) ?? tooFewDevices(instance) ?? { kind: 'links' }
}

/** The block that is furthest from fitting: when it does not fit alone, it does not fit in any stage. */
function blockTooLarge(instance: Instance): Lack | undefined {
  const { problem, end, memory, singles } = instance
  let worst: Extract<Lack, { kind: 'memory' }> | undefined
  for (let block = 0; block < end; block++) {
    const pin = problem.pinned?.get(block)
    const allowed = pin === undefined ? singles : singles.slice(pin, pin + 1)
    const largest = allowed.reduce((most, host) => (host.memoryBytes > most.memoryBytes ? host : most))
    const bytes = (memory[block * (end + 1) + block + 1] as number) - largest.memoryBytes
    if (bytes > (worst?.bytes ?? 0)) {
      worst = { kind: 'memory', block, device: problem.devices[largest.only]?.id ?? '', bytes }
    }
  }
  return worst
}

/** How many stages there are at the least when each has the memory of the largest device. */
function tooFewDevices({ problem, end, memory, singles }: Instance): Lack | undefined {
  const largest = singles.reduce((most, host) => (host.memoryBytes > most.memoryBytes ? host : most))
  const stages = new Float64Array(end + 1).fill(Infinity)
  stages[0] = 0
  for (let to = 1; to <= end; to++) {
    for (let from = 0; from < to; from++) {
      if ((memory[from * (end + 1) + to] as number) > largest.memoryBytes) continue
      stages[to] = Math.min(stages[to] as number, (stages[from] as number) + 1)
    }
  }
  const needed = stages[end] as number
  const present = singles.filter(({ memoryBytes }) => memoryBytes >= largest.memoryBytes).length
  if (needed <= present) return undefined
  return { kind: 'devices', device: problem.devices[largest.only]?.id ?? '', needed, present }
}

function inWords(lack: Lack): string {
  switch (lack.kind) {
    case 'memory':
      return (
        `block ${lack.block} needs ${lack.bytes} bytes more than ${lack.device} has, ` +
        'the largest device that may run it'
      )
    case 'devices':
      return (
        `the model takes at least ${lack.needed} devices of the memory of ${lack.device}, the largest; ` +
        `there ${lack.present === 1 ? 'is 1' : `are ${lack.present}`} of them, and with the smaller ones it does not fit`
      )
    case 'links':
      return 'memory would do, but links that it takes between devices, or to the dispatcher, are missing'
  }
}
