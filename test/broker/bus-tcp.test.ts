import { testBus } from '../compliance/bus.js'
import { overTcp } from '../support/bus-forms.js'

testBus(overTcp)
