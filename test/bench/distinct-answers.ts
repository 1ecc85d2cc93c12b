import { argMax } from '../../core/compare.js'
import { openSession } from '../../actors/session/index.js'
import { answersTo, leastDifference } from '../support/answers.js'

/**
 * How different a model's answers to synthetic frames are:
 * `node dist/test/bench/distinct-answers.js MODEL.onnx [FRAMES] [SEED]` prints the number of distinct top-1 classes of
 * its first output, and the relative error between the two answers that are most alike.
 */
const [path, frames = '200', seed = '1'] = process.argv.slice(2)
if (path === undefined) {
  console.error('usage: node dist/test/bench/distinct-answers.js MODEL.onnx [FRAMES] [SEED]')
  process.exit(2)
}
const session = await openSession(path)
const started = performance.now()
const answers = await answersTo(session, Number(seed), Number(frames))
const msPerFrame = (performance.now() - started) / answers.length
await session.release()
const classes = new Set(answers.flatMap(outputs => Object.values(outputs).slice(0, 1).map(argMax)))
console.log(
  JSON.stringify({
    model: path,
    frames: answers.length,
    top1Classes: classes.size,
    leastDifference: Number(leastDifference(answers).toPrecision(3)),
    msPerFrame: Number(msPerFrame.toPrecision(3)),
  }),
)
