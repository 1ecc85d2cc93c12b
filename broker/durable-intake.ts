import { type IPublishPacket, type MqttClient } from 'mqtt'
import { generate } from 'mqtt-packet'

/** Takes a message of quality 1; `confirm` is called when it has been taken care of. */
export type DurableHandler = (packet: IPublishPacket, confirm: () => void) => void

/** Says to MQTT.js that it is not to confirm a message. */
const NOT_YET = new Error('confirmed later')

/**
 * What a broker kept for a client comes as soon as that is connected, before anybody can have subscribed: until then
 * nothing more is read. Messages are confirmed when their handler says so, in the order in which it does.
 */
export class DurableIntake {
  private handler: DurableHandler | undefined
  private waiting: (() => void) | undefined

  attach(client: MqttClient): void {
    client.handleMessage = (packet, done) => this.take(client, packet, done)
    // What waited there comes again.
    client.on('close', () => (this.waiting = undefined))
  }

  listen(handler: DurableHandler): void {
    this.handler ??= handler
    this.waiting?.()
    this.waiting = undefined
  }

  private take(client: MqttClient, packet: IPublishPacket, done: (error?: Error) => void): void {
    if (packet.qos !== 1) return done()
    const { stream } = client
    const { messageId = 0 } = packet
    const confirm = () => {
      // On another connection its number may be that of another message.
      const same = client.stream === stream && !stream.destroyed
      if (same) stream.write(generate({ cmd: 'puback', messageId }))
    }
    const take = () => {
      this.handler?.(packet, confirm)
      done(NOT_YET)
    }
    if (this.handler === undefined) this.waiting = take
    else take()
  }
}
