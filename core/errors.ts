/** One row of the error table: what the code means, whether trying again can help, and the way out. */
export interface ErrorRow {
  readonly retryable: boolean
  /** What went wrong, in one clause. */
  readonly meaning: string
  /** What the reader can do about it. */
  readonly remedy: string
}

/**
 * Every error that Millrace raises or sends in a failure message, by code.
 * The error table in `config/README.md` is generated from this, and `MillraceError` accepts no other code.
 */
export const ERRORS = {
  // Models and graphs
  MODEL_NOT_FOUND: row(
    false,
    'the model file does not exist or cannot be read',
    'check the path and its permissions',
  ),
  MODEL_INVALID: row(false, 'the file is not an ONNX model', 'export the network as ONNX and pass that file'),
  MODEL_TRUNCATED: row(
    false,
    'the ONNX file ends in the middle of a field',
    'copy or download the file again',
  ),
  MODEL_UNSUPPORTED: row(
    false,
    'ONNX Runtime cannot run this model',
    'the message names the operator or opset; export with operators that ONNX Runtime has',
  ),
  MODEL_DATA_MISSING: row(
    false,
    'weights that are kept outside the model file cannot be read',
    'keep the external data files beside the model file',
  ),
  GRAPH_INVALID: row(
    false,
    'the graph is inconsistent: a cycle, a value without a producer, or two producers of one value',
    'check the model with onnx.checker, or export it again',
  ),
  GRAPH_CUT_INVALID: row(
    false,
    'a position given is not one where this graph can be cut',
    'choose among the positions that the graph lists as cuttable',
  ),
  TOO_MANY_PARTITIONS: row(
    false,
    'more partitions were asked for than the graph has cut positions',
    'ask for fewer partitions; the message says how many are possible',
  ),
  PLAN_INFEASIBLE: row(
    false,
    'no plan puts this model on these devices',
    'the message says what would do: more memory, more devices, or links that are missing',
  ),
  PLAN_PROBLEM_INVALID: row(false, 'what a plan was asked for is malformed', 'the message names the field'),
  // Tensors, frames and the codec
  TENSOR_INVALID: row(
    false,
    'a tensor has a data type, dims or data that do not belong together',
    'make the number of elements equal the product of dims, in the array type of the dtype',
  ),
  FRAME_INPUT_UNKNOWN: row(
    false,
    "a frame names a tensor that is not among the model's inputs, or lacks one that is",
    'use the input names that the message lists',
  ),
  FRAME_DTYPE: row(
    false,
    "a frame's tensor has another data type than the model's input",
    'convert the tensor first',
  ),
  FRAME_SHAPE: row(
    false,
    "a frame's tensor has another shape than the model's input",
    'resize or reshape it first',
  ),
  FRAME_MALFORMED: row(
    false,
    "a sensor's message cannot be read as what the last level of its topic says",
    'the message says where it differs; see the formats in the README',
  ),
  OUTPUT_UNKNOWN: row(
    false,
    'the model has no output of this name',
    "use the names in `outputs` of the pipeline's plan or of a prediction",
  ),
  ENVELOPE_INVALID: row(
    false,
    'a message is not a Millrace envelope',
    'see that nothing else publishes to data topics',
  ),
  ENVELOPE_CORRUPT: row(
    true,
    "an envelope's checksum does not match its bytes",
    'look for a faulty link or memory',
  ),
  ENVELOPE_VERSION: row(
    false,
    'an envelope was written by a version of the format that this one cannot read',
    'run the same version of Millrace on all machines',
  ),
  ZFP_INVALID: row(
    false,
    'bytes are not the ZFP stream that they are read as',
    'read it with the dims and the mode that it was written with; the message says where it differs',
  ),
  // Buses and brokers
  BROKER_UNREACHABLE: row(
    true,
    'no MQTT broker answers at this address',
    'start one (`millrace broker`), or correct the address and see that no firewall is between',
  ),
  BROKER_REFUSED: row(
    false,
    'the broker refused the connection',
    'check user name, password and access list',
  ),
  BROKER_INCAPABLE: row(
    false,
    'the broker lacks something that Millrace needs',
    'the message says what; change its configuration or use `millrace broker`',
  ),
  BROKER_EXPOSED: row(
    false,
    'the embedded broker will not listen beyond loopback without credentials',
    'give it users (--user NAME:PASSWORD), or listen on 127.0.0.1',
  ),
  PORT_TAKEN: row(
    false,
    'another process listens on this port',
    'choose another with --port, or 0 for a free one',
  ),
  BUS_CLOSED: row(false, 'the bus was closed', 'open a new one'),
  BUS_DISCONNECTED: row(
    true,
    'the connection to the broker is down',
    'wait until it is back; it reconnects by itself',
  ),
  PUBLISH_TIMEOUT: row(
    true,
    'a message was not handed over in time',
    'the link or the receiver is too slow or frozen',
  ),
  MESSAGE_TOO_LARGE: row(
    false,
    'a message is larger than the limit, and of a kind that cannot be sent in chunks',
    'raise the limit on both sides, or send less',
  ),
  LINK_FALLBACK: row(
    true,
    "frames take the way through the cluster's broker, because a worker cannot reach the inbox of the next one",
    'let the machines reach each other (`--inbox-host`, `--inbox-port`), or deploy with links `broker`',
  ),
  LINK_UNREACHABLE: row(
    true,
    'a worker cannot reach the inbox of the next one',
    'let the machines reach each other, or deploy with links `auto` or `broker`',
  ),
  TOPIC_INVALID: row(
    false,
    'a topic, filter or name is malformed',
    'names are 1 to 64 characters of [a-z0-9-]',
  ),
  // Cluster
  NO_SUPERVISOR: row(
    true,
    'no supervisor answers on this broker',
    'start one: `millrace supervisor` or `millrace up`',
  ),
  NO_WORKER: row(
    true,
    'no worker is there to take a partition',
    'start one: `millrace worker` or `millrace up`',
  ),
  WORKER_LOST: row(
    true,
    'a worker that held a partition is gone',
    'start the worker again and deploy once more',
  ),
  WORKER_STALLED: row(
    true,
    'a worker beats, but an inference in it does not end',
    'its partitions go to other workers; start the worker again, and report it with the model',
  ),
  WORKER_SLOW: row(
    true,
    'a worker takes much longer for its frames than before, and than others do',
    'work moves away from it; see what else runs on its machine, and whether that is hot',
  ),
  WORKER_ID_TAKEN: row(false, 'another live worker has this id', 'give each worker its own --id'),
  SUPERVISOR_SUPERSEDED: row(
    false,
    'another supervisor leads this cluster now',
    'keep one, or let this one stand by',
  ),
  PART_UNAVAILABLE: row(
    true,
    'a model part could not be fetched',
    'see that the supervisor that holds it is running',
  ),
  PART_CORRUPT: row(
    true,
    "a fetched model part's SHA-256 is wrong",
    'it is fetched anew; look for a faulty link or disk',
  ),
  CACHE_FULL: row(
    false,
    'a model part does not fit into the folder for parts beside those that are in use',
    'raise --cache-limit-mib there, or take down pipelines that are not needed',
  ),
  DISK_FULL: row(
    true,
    'the disk with the folder for model parts has no room for another',
    'make room on it, or choose another with --cache-dir',
  ),
  // Journal
  JOURNAL_IN_USE: row(
    true,
    'the journal is open already',
    'the message says where; end that, or choose another folder for this one',
  ),
  JOURNAL_FAILED: row(
    true,
    'the journal cannot be read or written, as on a full disk; what was acknowledged before is in it',
    'the message carries the reason; put it right, and open the journal again',
  ),
  JOURNAL_CORRUPT: row(
    false,
    'the journal is damaged',
    'move its folder away and start with a new one; the frames in it that had not ended are lost',
  ),
  JOURNAL_FULL: row(
    true,
    'the frames in the journal take as much as they may, so that no more are admitted until some have ended',
    'open the streams that the message names, so that their frames go through, or raise the limit',
  ),
  ACTIVATION_FAILED: row(
    true,
    'a worker could not load a partition',
    'the message carries the reason of ONNX Runtime',
  ),
  FAULTS_REFUSED: row(
    false,
    'a fault was ordered where none is allowed',
    'start the worker, or `millrace up`, with --allow-faults; never where frames matter',
  ),
  PIPELINE_UNKNOWN: row(
    false,
    'no pipeline of this name is deployed',
    'see `millrace status` for those that are',
  ),
  VERSION_NONE: row(
    false,
    'there is no version to go on to, or back to',
    'deploy the model that is wanted; `millrace status` shows what is there',
  ),
  CANARY_REFUSED: row(
    false,
    'a new version cannot take a share of the frames beside the one in force',
    'the message says why; deploy it without a canary, in the place of the other',
  ),
  CANARY_ENDED: row(
    true,
    'a new version that had a share of the frames was ended; all frames go to the one beside it',
    'the message says why; put that right and deploy it again',
  ),
  PIPELINE_FAILED: row(false, 'the pipeline could not be deployed', 'the message carries the reason'),
  DEPLOY_TIMEOUT: row(
    true,
    'the deployment was not ready in time',
    'see `millrace status`; raise the limit for large models',
  ),
  // Frames under way
  FRAME_DEADLINE: row(
    true,
    'a frame had no prediction before its deadline',
    'a stage is lost or too slow; see the ledger',
  ),
  FRAME_POISONOUS: row(
    false,
    'a frame was in the process that runs a stage each time that it crashed',
    'keep the frame and report it with the model: ONNX Runtime should not crash; other frames go on',
  ),
  INFERENCE_FAILED: row(
    false,
    'ONNX Runtime failed on this frame',
    'the message carries its reason; other frames go on',
  ),
  WIRE_OVERFLOW: row(
    false,
    'a tensor between two partitions holds what its wire cannot carry',
    'deploy with another wire: u8c and u8 carry no NaN and no Inf, f16 nothing above 65,504 and no Inf, f32 everything',
  ),
  INBOX_FULL: row(
    true,
    'a stage was sent more frames than its credits allow',
    'lower the window of the dispatchers',
  ),
  SOURCE_OVERRUN: row(
    false,
    'a lossless source pushed more frames than the queue before the window may hold',
    "use the pipeline's `pull`, which holds the source back, or delivery 'freshest'",
  ),
  START_TIMEOUT: row(
    true,
    'a process of the cluster was not up in time',
    'start fewer workers on this machine, or try when it is less busy',
  ),
  STOPPED: row(true, 'it was stopped before it was done', 'start it again'),
  RUNTIME_CRASHED: row(
    true,
    'the process that hosts actors ended unexpectedly',
    'its agent starts it again; see its log',
  ),
  // Use
  OPTION_UNKNOWN: row(false, 'there is no option of this name', 'see the option table or --help'),
  OPTION_INVALID: row(
    false,
    'an option has a value that it cannot take',
    'the message says which values it takes',
  ),
  DATASET_INVALID: row(
    false,
    'a dataset description or one of its files is malformed',
    'see the layout in the README',
  ),
  CLUSTER_INVALID: row(
    false,
    'a cluster file is malformed, or does not fit what it is used for',
    'the message names the field; see the samples in config/clusters',
  ),
  COSTS_INVALID: row(
    false,
    'a file of measured costs is malformed, or of another version of Millrace',
    'measure the model again: `millrace profile MODEL --force`',
  ),
  COSTS_UNWRITABLE: row(
    false,
    'the file or folder for measured costs cannot be written, or holds something else',
    'name another with --out or --profile-dir',
  ),
  MEASURE_TIMEOUT: row(
    true,
    'measuring a model took longer than allowed',
    'raise --limit-ms, or try when the machine is less busy',
  ),
  NOT_RUNNING: row(
    false,
    'nothing that `millrace up --detach` started runs on this port',
    'name its port with --port, and its --state-dir if it was given one; one without --detach is stopped with Ctrl-C',
  ),
  STATE_UNWRITABLE: row(
    false,
    'the folder for what runs in the background cannot be written',
    'name another with --state-dir',
  ),
  EMULATOR_UNAVAILABLE: row(
    false,
    'this machine cannot emulate devices',
    'it takes Linux, root, a cpu and a memory cgroup, and the programs `ip` and `tc` (Debian: apt-get install iproute2)',
  ),
  EMULATION_INEXACT: row(
    false,
    'what is emulated differs from what the cluster file says',
    'the message says in what; a comparison under the same conditions still holds',
  ),
  VERIFY_FAILED: row(
    false,
    "the pipeline's answers differ from the uncut model's",
    'report it with the model; do not use it',
  ),
  INTERNAL: row(false, 'an error that Millrace did not foresee', 'report it, with --debug output'),
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERRORS

function row(retryable: boolean, meaning: string, remedy: string): ErrorRow {
  return { retryable, meaning, remedy }
}

/** An error as it travels in messages and `--json` output. */
export interface ErrorInfo {
  readonly code: ErrorCode
  readonly message: string
}

export class MillraceError extends Error {
  override readonly name = 'MillraceError'

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options)
  }

  /** Whether trying the same again can succeed. */
  get retryable(): boolean {
    return ERRORS[this.code].retryable
  }

  get remedy(): string {
    return ERRORS[this.code].remedy
  }

  toInfo(): ErrorInfo {
    return { code: this.code, message: this.message }
  }

  static fromInfo(info: ErrorInfo): MillraceError {
    return new MillraceError(isErrorCode(info.code) ? info.code : 'INTERNAL', info.message)
  }

  /** `error` itself when it is a MillraceError, else one with `code` that has it as its cause. */
  static from(error: unknown, code: ErrorCode = 'INTERNAL', context = ''): MillraceError {
    if (error instanceof MillraceError) return error
    return new MillraceError(code, `${context}${messageOf(error)}`, { cause: error })
  }
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code)
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
