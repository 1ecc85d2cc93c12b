export { type User } from './access.js'
export { PATIENT_KEEPALIVE_S } from './client.js'
export { type BusOptions, connectBus } from './connect-bus.js'
export {
  type BrokerMetrics,
  type BrokerOptions,
  type EmbeddedBroker,
  startBroker,
} from './embedded-broker.js'
export { FaultyLine } from './faulty-line.js'
export { DURABLE_ID } from './held-publishes.js'
export { InboxBroker } from './inbox-broker.js'
export { InboxProbes } from './inbox-probes.js'
export { Lines } from './lines.js'
export { localAddressTowards } from './local-address.js'
export { PeerLink, type PeerLinkParts } from './peer-link.js'
export { type BrokerCapabilities, checkCapable, probeBroker, type ProbeOptions } from './probe.js'
export { type BrokerLimits, brokerLimits, type BrokerLimitsInput } from './options.js'
