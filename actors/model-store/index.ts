export { type PartId, partIdOfFile, PartStore } from './part-store.js'
export { fetchPart, type FetchOptions, type ReadPart, serveParts } from './transfer.js'
