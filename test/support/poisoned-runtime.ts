import { ThreadFrames } from '../../actors/runtime/thread-frames.js'

/** The process that a worker starts for its actors; each frame of this number kills it, as soon as its thread has it. */
export const POISONOUS = 3

// Imported for its name, it is no process of a worker.
if (process.env['MILLRACE_RUNTIME'] !== undefined) {
  const enter = Reflect.get(ThreadFrames.prototype, 'enter')
  ThreadFrames.prototype.enter = function (frame) {
    const leave = enter.call(this, frame)
    if (frame.sequence === POISONOUS) process.kill(process.pid, 'SIGKILL')
    return leave
  }
  await import('../../actors/bin/runtime.js')
}
