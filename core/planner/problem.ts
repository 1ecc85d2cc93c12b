/**
 * What a planner decides on (decision D8). Times are in ms, sizes in bytes; 1 byte/ms is 8e-3 Mbit/s. All costs of work
 * are those of one core of the reference machine (speed 1); a device of speed s takes 1/s as long.
 */

/** The model as a chain of blocks: what lies between two neighbouring cut positions. */
export interface Chain {
  readonly blocks: readonly ChainBlock[]
  /** What crosses before block i, for one frame: the input before the first, the results after the last. */
  readonly crossings: readonly Crossing[]
}

export interface ChainBlock {
  readonly computeMs: number
  /** At the width that they have in memory. */
  readonly weightBytes: number
  /** Tensors that live at once while the block runs, at the worst moment. */
  readonly activationBytes: number
}

export interface Crossing {
  /** On the wire, headers included. */
  readonly bytes: number
  /** How many tensors. */
  readonly tensors: number
  /** Work of encoding and sending on the one side, and of receiving and decoding on the other. */
  readonly sendMs: number
  readonly receiveMs: number
  /** Memory that messages take on either side: those under way, and those that are done with and not yet freed. Default 0. */
  readonly bufferBytes?: number
}

export interface PlanDevice {
  readonly id: string
  readonly speed: number
  /** For one worker: process, weights and activations. */
  readonly memoryBytes: number
  /** What its network card sends and takes, to and from all others together, in bytes per ms. */
  readonly sendRate: number
  readonly receiveRate: number
}

export interface Network {
  /** `[from][to]` in the order of devices, with the dispatcher after the last; bytes per ms; 0 where there is no way. */
  readonly rates: readonly (readonly number[])[]
  /** Time of one message on a link beside its bytes. */
  readonly messageMs: number
  /** What the dispatcher's network card sends and takes. */
  readonly dispatcherSendRate: number
  readonly dispatcherReceiveRate: number
}

export interface PlanProblem {
  readonly chain: Chain
  readonly devices: readonly PlanDevice[]
  readonly network: Network
  /** What a worker's process takes before it has loaded anything. */
  readonly processBytes: number
  /** Memory that a byte of weights takes in a session: more than 1, because ONNX Runtime lays some out anew. */
  readonly weightFactor: number
  /** Whether stages may have replicas. */
  readonly replicas: boolean
  /** Memory of a worker that runs blocks [from, to), where another rule than `memoryBytes` holds. */
  readonly memoryOf?: (from: number, to: number) => number
  /** Devices of blocks, both by index: the stage of such a block runs on that device, and on no other beside it. */
  readonly pinned?: ReadonlyMap<number, number>
}

/** Blocks [from, to) on one device, or on several that take frames in turn, each according to its speed. */
export interface PlannedStage {
  readonly from: number
  readonly to: number
  /** Indices of devices, ascending. */
  readonly devices: readonly number[]
  /** The share of its frames that each of them takes; left out: according to its speed. */
  readonly shares?: readonly number[]
}
