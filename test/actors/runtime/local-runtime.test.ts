import test from 'ava'
import { LocalRuntime } from '../../../actors/runtime/index.js'
import { activationKeyOf } from '../../../core/control/index.js'
import { type Link, type LinkKind } from '../../../core/link.js'
import { type PeerProbes } from '../../../core/peer-probes.js'
import { adder, modelFile, rejection, TOPICS } from '../../support/actors.js'
import { ACTIVATION } from '../../support/staging.js'

const NO_PROBES: PeerProbes = {
  accept: () => undefined,
  connect: () => Promise.reject(new Error('there is no peer')),
}

/** A link on which the next stage does not come. */
class Waiting implements Link {
  readonly listening: Promise<void>
  private listens: () => void = () => undefined

  constructor() {
    this.listening = new Promise(resolve => (this.listens = resolve))
  }

  listen: Link['listen'] = async () => {
    this.listens()
    return { close: async () => undefined, hold: () => undefined, release: () => undefined }
  }

  open: Link['open'] = () => {
    let close: () => void = () => undefined
    const settled = new Promise<LinkKind>(resolve => (close = () => resolve('broker')))
    return { settled, way: 'broker', send: async () => undefined, close: async () => close() }
  }
}

for (const way of ['given up', 'stopped'] as const) {
  test(`a runtime in this process - waits for the next stage no longer when its own is ${way}`, async t => {
    const link = new Waiting()
    const runtime = new LocalRuntime(link, TOPICS, NO_PROBES)
    const activation = rejection(runtime.activate(ACTIVATION, await modelFile(t, adder(1))))
    await link.listening
    await (way === 'stopped' ? runtime.stop() : runtime.passivate(activationKeyOf(ACTIVATION)))
    t.is(await activation, 'STOPPED')
    await runtime.stop()
  })
}
