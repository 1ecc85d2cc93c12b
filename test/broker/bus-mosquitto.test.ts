import { testBus } from '../compliance/bus.js'
import { onMosquitto } from '../support/bus-forms.js'

testBus(onMosquitto)
