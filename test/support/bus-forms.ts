import { connectAsync } from 'mqtt'
import { connectBus, startBroker } from '../../broker/index.js'
import { MemoryBroker } from '../../core/memory-bus.js'
import { type BusForm, type BusSetting, type ConnectOptions } from '../compliance/bus-form.js'
import { type Cable, cableTo } from './cable.js'
import { hasMosquitto, startMosquitto } from './mosquitto.js'

export const memory: BusForm = {
  name: 'bus in memory',
  start: async () => {
    const broker = new MemoryBroker()
    return {
      connect: options => broker.connect(options),
      cut: async clientId => broker.cut(clientId),
      stop: async () => broker.stop(),
      start: async () => broker.start(),
      announce: async () => broker.route({ topic: '$SYS/uptime', payload: new Uint8Array(1), retain: false }),
      close: async () => broker.stop(),
    }
  },
}

export const overTcp: BusForm = {
  name: 'bus over TCP',
  start: async () => {
    let broker = await startBroker({ port: 0 })
    const { port } = broker
    return cabled(broker.url, {
      stop: () => broker.close(),
      start: async () => {
        broker = await startBroker({ port })
      },
      close: () => broker.close(),
    })
  },
}

export const inProcess: BusForm = {
  name: 'bus in the process of the broker',
  start: async () => {
    const broker = await startBroker({ port: 0 })
    return {
      connect: options => broker.connect(options),
      cut: clientId => evict(broker.url, clientId),
      stop: () => broker.close(),
      announce: () => evict(broker.url, 'somebody'),
      close: () => broker.close(),
    }
  },
}

export const onMosquitto: BusForm = {
  name: 'bus on Mosquitto',
  ...(hasMosquitto() ? {} : { lacks: 'Mosquitto is not installed' }),
  start: async () => {
    // It drops what exceeds 1,000 messages of QoS 1 for one subscriber, unless told otherwise.
    const mosquitto = await startMosquitto(['allow_anonymous true', 'max_queued_messages 20000'])
    return cabled(mosquitto.url, mosquitto)
  },
}

interface Broker {
  stop(): Promise<void>
  start(): Promise<void>
  close(): Promise<void>
}

/** Each client has a cable of its own. */
function cabled(url: string, broker: Broker): BusSetting {
  const cables: Cable[] = []
  const newest = new Map<string, Cable>()
  return {
    connect: async (options: ConnectOptions) => {
      const cable = await cableTo(url)
      cables.push(cable)
      newest.set(options.clientId, cable)
      return connectBus(cable.url, options)
    },
    cut: async clientId => newest.get(clientId)?.cut(),
    stop: () => broker.stop(),
    start: () => broker.start(),
    announce: () => evict(url, 'somebody'),
    close: async () => {
      await Promise.all(cables.map(cable => cable.close()))
      await broker.close()
    },
  }
}

/** Comes and goes under this client id: whoever has it loses the connection. */
async function evict(url: string, clientId: string): Promise<void> {
  const client = await connectAsync(url, { clientId, reconnectPeriod: 0 })
  await client.endAsync()
}
