export { externalFile, type PartId, partIdOfFile, readRange } from './files.js'
export { MIB, storeOptions } from './options.js'
export { PartStore } from './part-store.js'
export { fetchPart, type FetchOptions, type ReadPart, serveParts } from './transfer.js'
