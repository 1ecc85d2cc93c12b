import { type Crash } from '../../core/control/index.js'
import { type FrameIdentity, identityKey } from '../../core/frame.js'
import { type ThreadFrame } from '../runtime/index.js'

type Place = Pick<Crash, 'pipeline' | 'epoch'>

/**
 * What is told of a crash, to the dispatchers of each pipeline and epoch that had a stage in the process.
 * @param places  of the actors that the process ran; those of the frames are added
 * @param frames  in the threads of its sessions
 */
export function crashMessages(
  crash: Pick<Crash, 'worker' | 'incarnation' | 'crash'>,
  places: readonly Place[],
  frames: readonly ThreadFrame[],
): Crash[] {
  const distinct = new Map([...places, ...frames].map(place => [placeKey(place), place]))
  // Of a frame that was sent twice, both copies may have been there.
  const all = new Set(frames.map(frameKey))
  return [...distinct].map(([key, { pipeline, epoch }]) => {
    const here = new Map(frames.filter(at => placeKey(at) === key).map(frame => [frameKey(frame), frame]))
    const suspects = [...here.values()].map(identityOf)
    return { pipeline, ...crash, epoch, suspects, others: all.size - here.size }
  })
}

function identityOf({ dispatcher, stream, sequence }: FrameIdentity): FrameIdentity {
  return { dispatcher, stream, sequence }
}

function placeKey({ pipeline, epoch }: Place): string {
  return `${pipeline}/${epoch}`
}

function frameKey(frame: ThreadFrame): string {
  return `${frame.pipeline}/${identityKey(frame)}`
}
