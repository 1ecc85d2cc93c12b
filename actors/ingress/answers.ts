import { type Bus } from '../../core/bus.js'
import { MillraceError } from '../../core/errors.js'
import { type SensorSettings } from '../../core/sensing/index.js'
import { type Topics } from '../../core/topics.js'
import { type Prediction } from '../dispatcher/index.js'
import { type FrameNote, type Mishap, mishapLine, predictionLine, rawPrediction } from './results.js'

const TROUBLE_MS = 1_000

/** Publishes what comes of the frames of sensors. */
export class Answers {
  private readonly leaving = new Set<Promise<boolean>>()
  private troubledAt = -Infinity

  constructor(
    private readonly bus: Bus,
    private readonly topics: Topics,
    private readonly onTrouble: (error: MillraceError) => void,
    /** Limit on the wait until the broker has one, in ms. */
    private readonly timeoutMs?: number,
  ) {}

  /** @returns whether the broker has the answer */
  predicted(
    pipeline: string,
    note: FrameNote,
    prediction: Prediction,
    { topK, raw }: Pick<SensorSettings, 'topK' | 'raw'>,
  ): Promise<boolean> {
    const { maxMessageBytes } = this.bus
    const { bytes, complete } = predictionLine(note, prediction, topK, maxMessageBytes)
    const sent = this.send(this.topics.sensor.results(pipeline, note.stream), bytes, 1)
    if (raw === 'always' || (raw === 'large' && !complete)) this.sendRaw(pipeline, note, prediction)
    return sent
  }

  /** The frame has no prediction. @returns whether the broker has the answer */
  missed(pipeline: string, note: FrameNote, mishap: Mishap): Promise<boolean> {
    return this.send(this.topics.sensor.results(pipeline, note.stream), mishapLine(note, mishap), 1)
  }

  /** Resolves when all has left, or cannot. */
  async sent(): Promise<void> {
    await Promise.all(this.leaving)
  }

  /** In chunks, which only a `Bus` joins, it would be of no use to a sensor. */
  private sendRaw(pipeline: string, note: FrameNote, prediction: Prediction): void {
    const bytes = rawPrediction(note, prediction)
    const { maxMessageBytes } = this.bus
    if (bytes.byteLength <= maxMessageBytes) {
      void this.send(this.topics.sensor.raw(pipeline, note.stream), bytes, 0)
    } else {
      const what = `a prediction of ${bytes.byteLength} bytes for '${pipeline}/${note.stream}' was left out`
      this.trouble(new MillraceError('MESSAGE_TOO_LARGE', `${what}, the limit is ${maxMessageBytes}`))
    }
  }

  private send(topic: string, bytes: Uint8Array, qos: 0 | 1): Promise<boolean> {
    const { timeoutMs } = this
    const sent = this.bus
      .publish(topic, bytes, { qos, ...(timeoutMs === undefined ? {} : { timeoutMs }) })
      .then(
        () => true,
        (error: unknown) => {
          this.trouble(MillraceError.from(error))
          return false
        },
      )
    this.leaving.add(sent)
    void sent.finally(() => this.leaving.delete(sent))
    return sent
  }

  /** Without a broker every line is one; a few say as much. */
  private trouble(error: MillraceError): void {
    const now = Date.now()
    if (now - this.troubledAt < TROUBLE_MS) return
    this.troubledAt = now
    this.onTrouble(error)
  }
}
