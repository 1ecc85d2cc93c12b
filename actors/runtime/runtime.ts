import { type Observable } from 'rxjs'
import {
  type Activation,
  type ActorProgress,
  type ProbeTarget,
  type ProbeUser,
  type Speed,
} from '../../core/control/index.js'
import { type MillraceError } from '../../core/errors.js'
import { type LinkKind } from '../../core/link.js'
import { type LinkFigure } from '../benchmark/index.js'
import { type ThreadFrame } from './thread-frames.js'

/** What one process takes of its machine. */
export interface ProcessUsage {
  readonly rssBytes: number
  /** Processor time since it started. */
  readonly cpuMs: number
  /** When that was so: ms since the Unix epoch. */
  readonly at: number
}

export function noUsage(): ProcessUsage {
  return { rssBytes: 0, cpuMs: 0, at: Date.now() }
}

/** Of an actor that takes frames. */
export interface Readiness {
  /** Which way it sends what it makes. */
  readonly link: LinkKind
  /** A run of its model, in ms by the clock, where that was to be rehearsed. */
  readonly runMs?: number | undefined
}

/**
 * Hosts the actors of one worker: in this process, or in a child process that can be killed (decision D3). Actors are
 * named by `activationKeyOf`.
 */
export interface Runtime {
  /** What went wrong in an actor that goes on. */
  readonly trouble$: Observable<MillraceError>
  /** URL of the broker on which its actors take frames straight from their peers, if there is one. */
  readonly inbox?: string | undefined
  /** Settles with the reason when the runtime ends without `stop`; with undefined after `stop`. */
  readonly ended: Promise<MillraceError | undefined>
  /**
   * Resolves when the actor takes frames.
   * @param model  path of the partition's ONNX file
   * @throws MODEL_UNSUPPORTED, MODEL_INVALID, ACTIVATION_FAILED, RUNTIME_CRASHED, BUS_DISCONNECTED,
   *   LINK_UNREACHABLE
   */
  activate(activation: Activation, model: string): Promise<Readiness>
  /** Resolves when the actor has ended the frames under way and given its memory back. */
  passivate(key: string): Promise<void>
  /**
   * How fast it computes with one core, as known before or measured now.
   * @throws STOPPED, RUNTIME_CRASHED, INFERENCE_FAILED, MODEL_UNSUPPORTED
   */
  measureSpeed(): Promise<Speed>
  /** Lets these, and only these, measure their links to its inbox. */
  acceptProbes(users: readonly ProbeUser[]): Promise<void>
  /** @throws as `measureInboxLink`; RUNTIME_CRASHED */
  measureLink(target: ProbeTarget): Promise<LinkFigure>
  /** How far each actor is, as last heard. */
  progress(): readonly ActorProgress[]
  /** What its process used when it told how far each actor is; nothing where that is the caller's own. */
  usage(): ProcessUsage
  /** The frames in its sessions' threads, as last heard; of one that has ended, those that were in them then. */
  inThreads(): readonly ThreadFrame[]
  /** Ends all actors, within a limit. Idempotent. */
  stop(): Promise<void>
}
