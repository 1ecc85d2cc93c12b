import { type Bench, benchOptions } from '../bench.js'
import { inEmulation, thisMachine } from '../in-emulation.js'
import { measure } from './measure.js'
import { aboutText, rowsText, setText, targetsOf, targetText } from './report.js'
import { rowsOf } from './rows.js'
import { cpuIn, linkIn, modelIn, MOST_DEVICES, schemesIn, wholeIn, wireIn } from './settings.js'
import { type SchemeKey } from './schemes.js'

/** Among the answers to so many frames there are to be so many classes, or equal ones prove little. */
const FRAMES = 200
const LEAST_CLASSES = 50
const COMPARED: readonly SchemeKey[] = ['single', 'defer', 'even', 'chain', 'choice']
const TARGETS_FOR = { model: 'resnet50', devices: 8 }

/** Whether eight small machines are worth almost eight. */
export const deferBench: Bench = {
  options:
    '[--json] [--model NAME] [--devices N] [--cpu CORES] [--link 1gbit] [--wire auto|u8|u8c|f16|f32] [--schemes KEY,KEY] [--runs N] [--frames N] [--folder FOLDER]',
  summary:
    "one device with the whole model beside DEFER's scheme, equal layers, a chain and our own choice, in turns, on emulated " +
    'devices: frames per second, processor time, bytes, answers; needs root on Linux; FOLDER keeps models for the next run',
  run: async options => {
    const { json, folder: given, ...about } = settings(options)
    const { model, devices, cpu, linkMbps, wire } = about
    return inEmulation('defer', json, given, async surroundings => {
      const measured = await measure({ ...about, ...surroundings })
      const rows = rowsOf(measured, idsOf(devices))
      const isStandard = model === TARGETS_FOR.model && devices === TARGETS_FOR.devices
      const targets = isStandard ? targetsOf(rows, about) : []
      const telling = measured.answers.classes >= LEAST_CLASSES
      if (!json) {
        const text = [setText(model, devices, cpu, linkMbps), rowsText(rows), aboutText(measured, rows)]
        const few = telling ? [] : [`fewer than ${LEAST_CLASSES} classes: that answers agree says little`]
        console.log([...text, [...few, ...targets.map(targetText)].join('\n')].join('\n\n'))
      }
      const kept = targets.every(target => target.kept)
      const choice = rows.find(({ key }) => key === 'choice')
      const { answers, load, idleCores } = measured
      console.log(
        JSON.stringify({
          ...{ bench: 'defer', model, devices, cpu, linkMbps, wire, machine: thisMachine() },
          ...(choice === undefined || 'refused' in choice
            ? {}
            : { speedup: choice.ratio, bound: choice.bound, efficiency: choice.efficiency }),
          ...{ kept, targets, answers: pickAnswers(answers), load, idleCores, rows },
        }),
      )
      return kept ? 0 : 1
    })
  },
}

export function idsOf(devices: number): string[] {
  return Array.from({ length: devices }, (_, i) => `pi-${i + 1}`)
}

/** Not where they are. */
export function pickAnswers({ count, classes, margins }: Awaited<ReturnType<typeof measure>>['answers']) {
  return { count, classes, margins }
}

function settings(options: readonly string[]) {
  const values = benchOptions(options, {
    json: { type: 'boolean', default: false },
    model: { type: 'string', default: 'resnet50' },
    devices: { type: 'string', default: '8' },
    cpu: { type: 'string', default: '0.15' },
    link: { type: 'string', default: '1gbit' },
    wire: { type: 'string', default: 'u8c' },
    schemes: { type: 'string', default: COMPARED.join(',') },
    runs: { type: 'string', default: '3' },
    frames: { type: 'string', default: `${FRAMES}` },
    folder: { type: 'string' },
  })
  return {
    ...{ json: values.json, folder: values.folder },
    model: modelIn(values.model),
    devices: wholeIn('devices', values.devices, 2, MOST_DEVICES),
    cpu: cpuIn(values.cpu),
    linkMbps: linkIn(values.link),
    wire: wireIn(values.wire),
    schemes: schemesIn(values.schemes),
    runs: wholeIn('runs', values.runs, 1, 20),
    frames: wholeIn('frames', values.frames, 20, 1_000),
  }
}
