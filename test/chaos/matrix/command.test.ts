import test from 'ava'
import { UsageError } from '../../bench/bench.js'
import { type Command, commandOf } from './command.js'

const known: Record<string, [readonly string[], Command]> = {
  'the whole matrix': [['--matrix'], { kind: 'matrix', seed: 1, cells: [], bed: undefined, wire: 'f32' }],
  'some cells of it': [
    ['--cell', 'slow', '--cell', 'poison@last', '--seed', '7'],
    { kind: 'matrix', seed: 7, cells: ['slow', 'poison@last'], bed: undefined, wire: 'f32' },
  ],
  'those of one cluster, over another wire': [
    ['--bed', 'resnet50', '--wire', 'u8'],
    { kind: 'matrix', seed: 1, cells: [], bed: 'resnet50', wire: 'u8' },
  ],
  'faults at random': [
    ['--minutes', '2', '--seed', '3', '--model', 'resnet50'],
    { kind: 'random', seed: 3, minutes: 2, model: 'resnet50' },
  ],
  'ten minutes beside busy loops': [['--busy'], { kind: 'busy', seed: 1, minutes: 10 }],
  'a short while beside them': [['--busy', '--minutes', '0.3'], { kind: 'busy', seed: 1, minutes: 0.3 }],
  'a minute with a frozen consumer': [
    ['--frozen-consumer'],
    { kind: 'frozen-consumer', seed: 1, minutes: 1 },
  ],
}

for (const [what, [args, command]] of Object.entries(known)) {
  test(`the chaos command - ${args.join(' ')} asks for ${what}`, t => t.deepEqual(commandOf(args), command))
}

for (const args of [
  [],
  ['--seed', '1'],
  ['--matrix', '--busy'],
  ['--busy', '--frozen-consumer'],
  ['--matrix', '--minutes', '1'],
  ['--busy', '--minutes', '0'],
  ['--busy', '--minutes', 'long'],
  ['--minutes', '1', '--seed', '-1'],
  ['--minutes', '1', '--model', 'vgg'],
  ['--matrix', '--bed', 'straw'],
  ['--matrix', '--wire', 'u4'],
  ['--busy', '--wire', 'u8'],
  ['--calm'],
]) {
  test(`the chaos command - '${args.join(' ')}' is refused`, t => {
    t.throws(() => commandOf(args), { instanceOf: UsageError })
  })
}
