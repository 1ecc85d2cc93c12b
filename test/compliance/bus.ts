import { breaks } from './bus-breaks.js'
import { chunks } from './bus-chunks.js'
import { type BusForm } from './bus-form.js'
import { messages } from './bus-messages.js'
import { retained } from './bus-retained.js'

/** What every form of the bus keeps. */
export function testBus(form: BusForm): void {
  messages(form)
  retained(form)
  chunks(form)
  breaks(form)
}
