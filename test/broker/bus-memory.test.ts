import { testBus } from '../compliance/bus.js'
import { memory } from '../support/bus-forms.js'

testBus(memory)
