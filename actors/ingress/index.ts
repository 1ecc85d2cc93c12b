export { Ingress, type IngressCounts, type IngressParts } from './ingress.js'
export { type IngressOptions, ingressOptions, type IngressOptionsInput } from './options.js'
