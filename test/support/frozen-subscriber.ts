import { RawClient } from './raw-client.js'

/** A process that subscribes and says so; the test that started it stops it then. */
const [port, topic] = process.argv.slice(2)
const client = await RawClient.join(Number(port), 'frozen')
await client.subscribe(topic ?? '#')
process.send?.('subscribed')
