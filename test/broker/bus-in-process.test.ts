import { testBus } from '../compliance/bus.js'
import { inProcess } from '../support/bus-forms.js'

testBus(inProcess)
