export { measureCodec } from './codec.js'
export { coreMs } from './clock.js'
export {
  type CostsKey,
  costsFileName,
  profileFolder,
  readCosts,
  thinCosts,
  writeCosts,
} from './costs-file.js'
export {
  measureCosts,
  measureMemoryCosts,
  measureTransportCosts,
  type MeasureSettings,
  thisMachine,
} from './measure-costs.js'
export { measureTimes, type Times, type TimesOrder } from './measure-times.js'
export { profileOptions } from './options.js'
export { pick } from './pick.js'
export { answerProbe, type ProbeReply, type ProbeRequest, type SpawnProbe } from './probe.js'
export { runEach, runEachBeside, runOnce } from './run-model.js'
export { sampleFrame } from './sample-frame.js'
export { writeWhole } from './write-whole.js'
export { inRounds } from './rounds.js'
