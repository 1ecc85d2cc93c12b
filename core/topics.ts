import { MillraceError } from './errors.js'

/** A pipeline, stream, worker or dispatcher name: one topic level. */
const NAME = /^[a-z0-9-]{1,64}$/
const ROOT = /^[a-z0-9-]{1,64}(\/[a-z0-9-]{1,64}){0,7}$/

export const DEFAULT_ROOT = 'millrace/v1'

/** How a sensor may write its frames. */
export const SENSOR_FORMATS = ['raw', 'json', 'msgpack', 'image'] as const
export type SensorFormat = (typeof SENSOR_FORMATS)[number]

/** The id that a sensor gives a frame: one topic level, such as a number, a UUID or a time. */
const FRAME_ID = /^[A-Za-z0-9._:~-]{1,128}$/
const FRAME_ID_RULE = 'a frame id is one topic level of 1 to 128 letters, digits and . _ : ~ -'

/**
 * Every topic that Millrace uses, under one root. The only place where topics are built.
 * @throws TOPIC_INVALID: a name or root has other characters than [a-z0-9-], or more than 64
 */
export function topicsOf(root: string = DEFAULT_ROOT) {
  if (!ROOT.test(root)) {
    throw new MillraceError(
      'TOPIC_INVALID',
      `root '${root}' is not made of levels of [a-z0-9-], joined by '/'`,
    )
  }
  const at = (...levels: (string | number)[]) => [root, ...levels].join('/')
  return {
    root,
    /** Everything below the root. */
    all: at('#'),
    worker: {
      birth: (id: string) => at('worker', name(id), 'birth'),
      births: at('worker', '+', 'birth'),
      death: (id: string, incarnation: number) => at('worker', name(id), 'death', integer(incarnation)),
      deaths: at('worker', '+', 'death', '+'),
      /** Where it measures its link. */
      probe: (id: string) => at('worker', name(id), 'probe'),
      beat: (id: string) => at('worker', name(id), 'beat'),
      beats: at('worker', '+', 'beat'),
      desired: (id: string) => at('worker', name(id), 'desired'),
      desireds: at('worker', '+', 'desired'),
      actual: (id: string) => at('worker', name(id), 'actual'),
      actuals: at('worker', '+', 'actual'),
    },
    supervisor: {
      leader: at('supervisor', 'leader'),
      /** Its connection ended unasked; by its id, because its term is claimed over that connection. */
      death: (id: string) => at('supervisor', 'death', name(id)),
      deaths: at('supervisor', 'death', '+'),
      /** Of whoever leads. */
      beat: at('supervisor', 'beat'),
      /** What is wrong with workers; retained. */
      findings: at('supervisor', 'findings'),
    },
    pipeline: {
      /** What a user asked for; retained. */
      spec: (pipeline: string) => at('pipeline', name(pipeline), 'spec'),
      specs: at('pipeline', '+', 'spec'),
      plan: (pipeline: string) => at('pipeline', name(pipeline), 'plan'),
      plans: at('pipeline', '+', 'plan'),
      /** What the supervisor makes of the spec; retained. */
      status: (pipeline: string) => at('pipeline', name(pipeline), 'status'),
      statuses: at('pipeline', '+', 'status'),
      /** How one dispatcher of the pipeline fares; not retained. */
      report: (pipeline: string, dispatcher: string) =>
        at('pipeline', name(pipeline), 'dispatcher', name(dispatcher)),
      reports: at('pipeline', '+', 'dispatcher', '+'),
      /** A process that ran some of its stages ended unexpectedly; not retained. */
      crash: (pipeline: string) => at('pipeline', name(pipeline), 'crash'),
      crashes: at('pipeline', '+', 'crash'),
    },
    data: {
      stage: (pipeline: string, epoch: number, stage: number, replica: number) =>
        at('data', name(pipeline), integer(epoch), integer(stage), integer(replica)),
      /** A dispatcher's inbox for results, whatever their epoch. */
      results: (pipeline: string, dispatcher: string) =>
        at('data', name(pipeline), 'results', name(dispatcher)),
    },
    sensor: {
      /** A frame of a sensor, in one of the formats, with the id that the sensor gave it if it gave one. */
      frame: (pipeline: string, stream: string, format: SensorFormat, frameId?: string) =>
        at(
          'in',
          name(pipeline),
          name(stream),
          format,
          ...(frameId === undefined ? [] : [checkedFrameId(frameId)]),
        ),
      /** Frames of all sensors, and whatever else is published beside them. */
      frames: at('in', '#'),
      /** Predictions for the frames of one stream, as JSON. */
      results: (pipeline: string, stream: string) => at('out', name(pipeline), name(stream)),
      /** The same with all tensors, as MessagePack. */
      raw: (pipeline: string, stream: string) => at('out', name(pipeline), name(stream), 'raw'),
    },
    /** Where one client finds out what the broker can do; levels below it are used too. */
    probe: (client: string) => at('probe', name(client)),
    fault: {
      /** What a worker that allows faults is to suffer. */
      worker: (id: string) => at('fault', 'worker', name(id)),
      /** The same for the cluster's broker. */
      broker: at('fault', 'broker'),
      /** The answer to one order. */
      answer: (order: string) => at('fault', 'answer', name(order)),
    },
    model: {
      /** A part is asked for here; whoever holds it answers. */
      request: (sha256: string) => at('model', hash(sha256), 'request'),
      requests: at('model', '+', 'request'),
      /** The answer to one requester. */
      chunk: (sha256: string, requester: string) => at('model', hash(sha256), 'chunk', name(requester)),
      chunks: (requester: string) => at('model', '+', 'chunk', name(requester)),
    },
  }
}

export type Topics = ReturnType<typeof topicsOf>

/** The levels of `topic` below `root`, or undefined when it is not below it. */
export function levelsBelow(root: string, topic: string): string[] | undefined {
  return topic.startsWith(`${root}/`) ? topic.slice(root.length + 1).split('/') : undefined
}

/** Where a frame of a sensor was published. */
export interface SensorTopic {
  readonly pipeline: string
  readonly stream: string
  readonly format: SensorFormat
  readonly frameId?: string
}

/**
 * Reads a topic below `in`.
 * @returns undefined where it names no pipeline and stream, so that nobody could be told; what is the problem where only
 *   the levels after these are wrong
 */
export function parseSensorTopic(
  root: string,
  topic: string,
): SensorTopic | (Pick<SensorTopic, 'pipeline' | 'stream'> & { readonly problem: string }) | undefined {
  const [kind, pipeline = '', stream = '', format = '', frameId, ...more] = levelsBelow(root, topic) ?? []
  if (kind !== 'in' || !isName(pipeline) || !isName(stream)) return undefined
  const where = { pipeline, stream }
  if (!isSensorFormat(format)) {
    return { ...where, problem: `'${format}' is no format: choose ${SENSOR_FORMATS.join(', ')}` }
  }
  if (frameId === undefined) return { ...where, format }
  if (more.length > 0 || !FRAME_ID.test(frameId)) return { ...where, problem: FRAME_ID_RULE }
  return { ...where, format, frameId }
}

export function isSensorFormat(text: string): text is SensorFormat {
  return SENSOR_FORMATS.some(format => format === text)
}

export function isName(text: string): boolean {
  return NAME.test(text)
}

function name(text: string): string {
  if (!NAME.test(text)) {
    throw new MillraceError(
      'TOPIC_INVALID',
      `'${text}' is not a name: 1 to 64 characters of a-z, 0-9 and '-'`,
    )
  }
  return text
}

function checkedFrameId(text: string): string {
  if (!FRAME_ID.test(text)) throw new MillraceError('TOPIC_INVALID', `'${text}': ${FRAME_ID_RULE}`)
  return text
}

function integer(value: number): string {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new MillraceError('TOPIC_INVALID', `${value} is not a non-negative integer`)
  }
  return String(value)
}

function hash(text: string): string {
  if (!/^[0-9a-f]{64}$/.test(text))
    throw new MillraceError('TOPIC_INVALID', `'${text}' is not a SHA-256 in hex`)
  return text
}
