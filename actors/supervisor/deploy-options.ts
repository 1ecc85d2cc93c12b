import { z } from 'zod'
import { type FrameInput } from '../dispatcher/index.js'
import { Lz4 } from '../../core/lz4-choice.js'
import { defineOptions, type Options, type OptionsInput } from '../../core/options.js'
import { WIRE_ERROR, WireChoice } from '../../core/wire.js'
import { pixelInputs } from './pixel-inputs.js'
import { sensorOptions } from './sensor-options.js'

/** Whether they are frames of the model is seen when that is known. */
const frames = z.array(z.record(z.string(), z.unknown())).min(1) as unknown as z.ZodType<FrameInput[]>

export const deployOptions = defineOptions({
  name: {
    check: z.string().regex(/^[a-z0-9-]{1,64}$/, 'must be 1 to 64 characters of a-z, 0-9 and -'),
    value: 'NAME',
    doc: "Name of the pipeline; left out, made of the model file's name.",
  },
  partitions: {
    check: z.coerce.number().int().min(1).max(10_000),
    value: 'N',
    doc: 'Number of partitions, spread over the workers in their order; left out, as many as make the pipeline fastest, which may be one, on the workers that suit best.',
  },
  cuts: {
    check: z.preprocess(
      value => (typeof value === 'string' ? value.split(',').map(Number) : value),
      z
        .array(z.number().int().min(1))
        .min(1)
        .max(9_999)
        .refine(
          cuts => cuts.every((cut, i) => cut > (cuts[i - 1] ?? 0)),
          'each position must be after the one before',
        ),
    ),
    value: 'POSITION[,POSITION]',
    doc: 'Positions to cut at, in the place of `partitions`: where the nodes of a block begin in what `millrace profile` prints. The partitions are spread over the workers as with that.',
  },
  memoryMib: {
    check: z.coerce.number().min(1).max(1e9),
    value: 'MIB',
    doc: 'Most that one worker may give it when it is planned, with its process, in MiB; left out, all that the worker has.',
  },
  replicas: {
    check: z.boolean(),
    default: true,
    doc: 'Several workers may take turns with one partition where that is faster.',
  },
  exclude: {
    check: z.preprocess(
      value => (typeof value === 'string' ? value.split(',').map(id => id.trim()) : value),
      z.array(z.string().regex(/^[a-z0-9-]{1,64}$/, 'must be names of workers')).max(1_000),
    ),
    default: [],
    value: 'WORKER[,WORKER]',
    doc: 'Workers that are to run nothing of it.',
  },
  window: {
    check: z.coerce.number().int().min(1).max(10_000),
    value: 'N',
    doc: 'Frames under way at once, per dispatcher; left out, as many as do good, four per partition and four more at most.',
  },
  canary: {
    check: z.preprocess(
      shareOf,
      z
        .number('must be a number or a percentage')
        .gt(0, 'must be above 0')
        .lt(1, 'must be below 1, or 100 %'),
    ),
    value: 'SHARE',
    doc: 'Share of the frames that it takes beside the version in force, such as `10%` or 0.1; left out, all of them, in its place.',
  },
  input: {
    check: pixelInputs,
    value: 'uint8|JSON',
    doc: 'The model takes pixels of 0 to 255 as `uint8`, a quarter of the bytes of float32, and makes `(pixel * scale - mean) / std` of them itself: `{"dtype":"uint8","scale":0.00392,"mean":[0.5],"std":[0.25]}`, where `scale` left out is 1/255, and `mean` and `std`, left out 0 and 1, have one value or one for each channel; for several inputs, that by their names. `cuts` are then those that `profile` prints with the same `input`.',
  },
  lz4: {
    check: Lz4,
    default: 'auto',
    value: 'auto|always|never',
    doc: 'LZ4 on tensors between stages: `auto` where a link of its own between two workers is slow enough that it gains more time than both ends take for it, by what frames show of either, and decided anew when that changes; `always` on input frames too.',
  },
  wire: {
    check: WireChoice,
    default: 'f32',
    value: 'f32|f16|u8c|u8|auto',
    doc: 'What float32 tensors travel as between partitions: `f16` takes half of the bytes, `u8` and `u8c` a quarter, the latter with a scale for each channel; all cost accuracy, `f16` the least and `u8` the most, and the deployment says how much. `auto` chooses for each cut, as coarse as makes it faster and as exact as `wireError` asks for.',
  },
  wireError: {
    check: z.coerce.number().min(0).max(1),
    default: WIRE_ERROR,
    value: 'ERROR',
    doc: 'Largest relative error that wires may make on the frames of `calibration` where `wire` is `auto`; with 0, all are f32.',
  },
  calibration: {
    check: z.union([z.string().min(1), frames]),
    value: 'FILE',
    doc: 'Frames that the error of wires is measured on, in the place of frames made at random: of a dataset whose description this is, or in code frames as they are streamed; of more than 16, so many, evenly spread.',
  },
  links: {
    check: z.enum(['auto', 'peer', 'broker']),
    default: 'auto',
    value: 'auto|peer|broker',
    doc: "`peer` sends frames straight from worker to worker, `broker` through the cluster's broker, `auto` straight where that is possible.",
  },
  deployTimeoutMs: {
    check: z.coerce.number().int().min(1_000),
    default: 300_000,
    value: 'MS',
    doc: 'Limit on the whole deployment.',
  },
  ...sensorOptions,
})

export type DeployOptions = Options<typeof deployOptions>
export type DeployOptionsInput = OptionsInput<typeof deployOptions>

/** Of a text; a number is one already. */
function shareOf(value: unknown): unknown {
  if (typeof value !== 'string') return value
  const [, number = '', percent] = /^([0-9.]+) ?(%?)$/.exec(value.trim()) ?? []
  return number === '' ? value : Number(number) / (percent === '%' ? 100 : 1)
}
