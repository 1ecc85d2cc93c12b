import test from 'ava'
import { BeatTrail } from '../../config/rates.js'
import { type ActorProgress, type Beat } from '../../core/control/index.js'

const ACTOR: ActorProgress = {
  ...{ pipeline: 'p', epoch: 1, stage: 0, replica: 0 },
  ...{ frames: 0, failures: 0, waiting: 0, running: 0, runMs: 0, bytesIn: 0, bytesOut: 0, link: 'peer' },
}
const any = () => true

function beat(at: number, actor?: Partial<ActorProgress>, change: Partial<Beat> = {}): Beat {
  const actors = actor === undefined ? [] : [{ ...ACTOR, ...actor }]
  return { worker: 'w1', incarnation: 1, at, rssBytes: 1, actors, ...change }
}

function trailOf(...beats: readonly Beat[]): BeatTrail {
  const trail = new BeatTrail()
  for (const one of beats) trail.add(one)
  return trail
}

test('rates - are what came between two beats, by the time between them', t => {
  const trail = trailOf(
    beat(1_000, { frames: 10, runMs: 50, bytesIn: 100, bytesOut: 1_000 }, { cpuMs: 500 }),
    beat(3_000, { frames: 50, runMs: 250, bytesIn: 300, bytesOut: 5_000 }, { cpuMs: 3_500 }),
  )
  t.deepEqual(trail.ratesOf(any), {
    framesPerSecond: 20,
    msPerFrame: 5,
    bytesInPerSecond: 100,
    bytesOutPerSecond: 2_000,
  })
  t.is(trail.cpuPercent, 150)
})

test('rates - are by when the runtime counted, where that is told', t => {
  const trail = trailOf(
    beat(1_000, { frames: 0 }, { countedAt: 900 }),
    beat(2_000, { frames: 22 }, { countedAt: 2_000 }),
  )
  t.is(trail.ratesOf(any)?.framesPerSecond, 20)
})

test('rates - without frames, there is no time per frame', t => {
  const rates = trailOf(beat(0, { frames: 3, runMs: 9 }), beat(1_000, { frames: 3, runMs: 9 })).ratesOf(any)
  t.deepEqual(rates, { framesPerSecond: 0, bytesInPerSecond: 0, bytesOutPerSecond: 0 })
})

test('rates - there are none from one beat, or between two incarnations, or across a restart of the runtime', t => {
  t.is(trailOf().ratesOf(any), undefined)
  t.is(trailOf(beat(0, { frames: 1 })).ratesOf(any), undefined)
  t.is(
    trailOf(beat(0, { frames: 1 }), beat(1_000, { frames: 5 }, { incarnation: 2 })).ratesOf(any),
    undefined,
  )
  const restarted = trailOf(
    beat(0, { frames: 9, bytesIn: 5 }, { cpuMs: 9 }),
    beat(1_000, { frames: 2 }, { cpuMs: 1 }),
  )
  t.is(restarted.ratesOf(any), undefined)
  t.is(restarted.cpuPercent, undefined)
})

test('rates - of an actor that was activated meanwhile are since then', t => {
  const trail = trailOf(beat(0), beat(1_000, { frames: 1 }), beat(2_000, { frames: 11 }))
  t.is(trail.ratesOf(any)?.framesPerSecond, 10)
})

test('rates - are those of the last five seconds, and of the last two beats of a slow heart', t => {
  const long = trailOf(
    ...Array.from({ length: 1_000 }, (_, i) => beat(i * 250, { frames: i < 900 ? i : 900 })),
  )
  t.is(long.ratesOf(any)?.framesPerSecond, 0)
  t.true(long.spanMs <= 5_000)
  const slow = trailOf(...[0, 1, 2].map(i => beat(i * 20_000, { frames: i * 10 })))
  t.is(slow.ratesOf(any)?.framesPerSecond, 0.5)
})

test('rates - beats that come too often take no more memory', t => {
  const trail = trailOf(...Array.from({ length: 5_000 }, (_, i) => beat(i, { frames: i })))
  t.true(trail.spanMs <= 256)
  t.is(trail.ratesOf(any)?.framesPerSecond, 1_000)
})
