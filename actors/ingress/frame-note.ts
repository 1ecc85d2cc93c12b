import { z } from 'zod'
import { SENSOR_FORMATS } from '../../core/topics.js'
import { type Arrival } from './arrival.js'

/** What a journal keeps of a sensor's message beside its payload. */
const Note = z.object({
  format: z.enum(SENSOR_FORMATS),
  frameId: z.string().optional(),
  arrivedAt: z.number(),
})
type Note = z.infer<typeof Note>

export function noteFor({ format, frameId, arrivedAt }: Arrival): string {
  return JSON.stringify({ format, frameId, arrivedAt } satisfies Note)
}

export function noteOf(text: string): Note {
  return Note.parse(JSON.parse(text))
}
