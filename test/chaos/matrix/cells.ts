import { hasMosquitto } from '../../support/mosquitto.js'
import { type Cell, type Place, type StruckCell } from './cell.js'
import { killDispatcher } from './kill-dispatcher.js'
import {
  breakLine,
  breakOwnLine,
  breakPeerLink,
  corruptPayloads,
  joinWorker,
  killBroker,
  killRuntime,
  killSupervisor,
  killWorker,
  newVersion,
  noMemory,
  onFew,
  poisonFrame,
  slowWorker,
  stopRuntime,
  stopWorker,
} from './strikes.js'

const PLACES: readonly Place[] = ['first', 'middle', 'last']
const KILLED = { digits: { detectMs: 200, resumeMs: 1_000 }, resnet50: { detectMs: 200, resumeMs: 2_000 } }
const SILENT = { detectMs: 1_500, resumeMs: 3_000 }

type Parts = Omit<StruckCell, 'name' | 'place'>

function everywhere(name: string, parts: Parts): Cell[] {
  return PLACES.map(place => ({ name: `${name}@${place}`, place, ...parts }))
}

/** Every cell, in the order in which they run. */
export function allCells(): Cell[] {
  const digits = { bed: 'digits', destroys: true } as const
  const mosquitto = { bed: 'mosquitto', place: 'middle', destroys: true } as const
  const resnet50 = { bed: 'resnet50', destroys: true } as const
  return [
    ...everywhere('kill-worker', { ...digits, targets: KILLED.digits, prepare: killWorker }),
    ...everywhere('kill-runtime', { ...digits, targets: KILLED.digits, prepare: killRuntime }),
    ...everywhere('stop-worker', { ...digits, targets: SILENT, prepare: stopWorker }),
    ...everywhere('stop-runtime', { ...digits, prepare: stopRuntime }),
    ...everywhere('cut-link', { ...digits, destroys: false, targets: SILENT, prepare: breakLine('cut') }),
    ...everywhere('silent-link', {
      ...digits,
      destroys: false,
      targets: SILENT,
      prepare: breakLine('silent'),
    }),
    { name: 'cut-own-link', place: 'first', ...digits, prepare: breakOwnLine('cut', 300) },
    { name: 'silent-own-link', place: 'first', ...digits, prepare: breakOwnLine('silent', 4_000) },
    { name: 'kill-supervisor', place: 'middle', ...digits, destroys: false, prepare: killSupervisor },
    ...[0, 1].flatMap(from => {
      const place = PLACES[from] ?? 'first'
      return (['cut', 'silent'] as const).map(how => ({
        ...{
          name: `${how}-peer-link@${place}`,
          place,
          ...digits,
          destroys: how === 'silent',
          targets: SILENT,
        },
        prepare: breakPeerLink(how),
      }))
    }),
    ...everywhere('slow', { ...digits, destroys: false, prepare: slowWorker }),
    ...everywhere('corrupt', { ...digits, destroys: false, prepare: corruptPayloads }),
    ...everywhere('poison', { ...digits, prepare: poisonFrame }),
    ...everywhere('no-memory', { ...digits, prepare: noMemory }),
    { name: 'kill-dispatcher', place: 'first', ...digits, observe: killDispatcher },
    { name: 'new-version', place: 'first', ...digits, destroys: false, prepare: newVersion },
    { name: 'kill-broker-forgets', place: 'middle', ...digits, prepare: killBroker(false) },
    ...(hasMosquitto()
      ? [
          { name: 'kill-mosquitto-keeps', ...mosquitto, prepare: killBroker(true) },
          { name: 'kill-mosquitto-forgets', ...mosquitto, prepare: killBroker(false) },
        ]
      : []),
    ...everywhere('resnet50-kill-worker', { ...resnet50, targets: KILLED.resnet50, prepare: killWorker }),
    ...everywhere('resnet50-slow', { ...resnet50, destroys: false, prepare: slowWorker }),
    ...everywhere('resnet50-stop-worker', { ...resnet50, targets: SILENT, prepare: stopWorker }),
    // Of a smaller model it would not be worth it, nor would one worker more than four.
    {
      ...{ name: 'resnet50-join-worker', place: 'first', ...resnet50, destroys: false },
      ...{ arrange: onFew, prepare: joinWorker },
    },
  ]
}
