import { type Bench, benchOptions } from '../bench.js'
import { idsOf, pickAnswers } from './defer-bench.js'
import { inEmulation, thisMachine } from '../in-emulation.js'
import { measure } from './measure.js'
import { aboutText, rowsText, scaleTargetsOf, setText, targetText } from './report.js'
import { rowsOf } from './rows.js'
import { cpuIn, linkIn, modelIn, MOST_DEVICES, schemesIn, wholeIn, wireIn } from './settings.js'

const MODELS = ['resnet50', 'vgg16', 'vgg19', 'mobilenet-v2', 'vision-transformer']
const DEVICES = [2, 4, 6, 8]
/** As many different ones as say something of the answers of a row. */
const FRAMES = 60

/** The same for other numbers of devices, and for other models. */
export const scaleBench: Bench = {
  options:
    '[--json] [--models NAME,NAME] [--devices N,N] [--cpu CORES] [--link 1gbit] [--wire auto|u8|u8c|f16|f32] [--schemes KEY,KEY] [--runs N] [--frames N] [--folder FOLDER]',
  summary:
    'what defer shows, for other numbers of devices and other models; about three minutes for each of both, and 2 GB of memory while ' +
    'VGG is built',
  run: async options => {
    const { json, folder: given, models, devices: counts, ...about } = settings(options)
    return inEmulation('scale', json, given, async surroundings => {
      let missed = false
      for (const model of models) {
        for (const devices of counts) {
          const measured = await measure({ ...about, ...surroundings, model, devices })
          const rows = rowsOf(measured, idsOf(devices))
          const targets = scaleTargetsOf(rows, devices)
          missed ||= targets.some(({ kept }) => !kept)
          const { cpu, linkMbps, wire } = about
          if (!json) {
            const text = [setText(model, devices, cpu, linkMbps), rowsText(rows), aboutText(measured, rows)]
            console.log(`${[...text, targets.map(targetText).join('\n')].join('\n\n')}\n`)
          }
          const { answers, load, idleCores } = measured
          console.log(
            JSON.stringify({
              ...{ bench: 'scale', model, devices, cpu, linkMbps, wire, machine: thisMachine() },
              ...{ targets, answers: pickAnswers(answers), load, idleCores, rows },
            }),
          )
        }
      }
      return missed ? 1 : 0
    })
  },
}

function settings(options: readonly string[]) {
  const values = benchOptions(options, {
    json: { type: 'boolean', default: false },
    models: { type: 'string', default: MODELS.join(',') },
    devices: { type: 'string', default: DEVICES.join(',') },
    cpu: { type: 'string', default: '0.15' },
    link: { type: 'string', default: '1gbit' },
    wire: { type: 'string', default: 'u8c' },
    schemes: { type: 'string', default: 'single,chain,choice,roomy' },
    runs: { type: 'string', default: '1' },
    frames: { type: 'string', default: `${FRAMES}` },
    folder: { type: 'string' },
  })
  return {
    ...{ json: values.json, folder: values.folder },
    models: values.models.split(',').map(modelIn),
    devices: values.devices.split(',').map(one => wholeIn('devices', one, 2, MOST_DEVICES)),
    cpu: cpuIn(values.cpu),
    linkMbps: linkIn(values.link),
    wire: wireIn(values.wire),
    schemes: schemesIn(values.schemes),
    runs: wholeIn('runs', values.runs, 1, 20),
    frames: wholeIn('frames', values.frames, 20, 1_000),
  }
}
