import { filter } from 'rxjs'
import { topicsOf } from '../../core/topics.js'
import { isPublish, RawClient } from './raw-client.js'

const AHEAD = 4
const TOPICS = topicsOf()

/** A sensor that knows nothing but MQTT: it publishes frames as fast as they are answered, a few ahead. */
export class SensorFeed {
  answered = 0
  /** Answers that are no predictions. */
  readonly mishaps: string[] = []
  private published = 0
  private stopping = false
  private done: () => void = () => undefined

  private constructor(
    private readonly client: RawClient,
    private readonly topic: string,
    private readonly frame: (sequence: number) => Uint8Array,
  ) {}

  /** @param frame  the bytes of the frame of a number, as the pipeline's input has them */
  static async start(
    port: number,
    [pipeline, stream]: readonly [string, string],
    frame: (sequence: number) => Uint8Array,
  ): Promise<SensorFeed> {
    const client = await RawClient.join(port, `sensor-${stream}`)
    const feed = new SensorFeed(client, TOPICS.sensor.frame(pipeline, stream, 'raw'), frame)
    client.packets$
      .pipe(filter(isPublish))
      .subscribe(({ payload }) => feed.take(JSON.parse(payload.toString()) as object))
    await client.subscribe(TOPICS.sensor.results(pipeline, stream))
    for (let i = 0; i < AHEAD; i++) feed.publish()
    return feed
  }

  /** Resolves when every frame is answered. */
  async stop(): Promise<void> {
    this.stopping = true
    if (this.answered < this.published) await new Promise<void>(resolve => (this.done = resolve))
    await this.client.leave()
  }

  private publish(): void {
    this.client.publish(this.topic, this.frame(this.published++))
  }

  private take(line: object): void {
    this.answered++
    if (!('outputs' in line)) this.mishaps.push(JSON.stringify(line))
    if (!this.stopping) this.publish()
    else if (this.answered === this.published) this.done()
  }
}
