import { networkInterfaces } from 'node:os'
import test from 'ava'
import { localAddressTowards } from '../../broker/index.js'
import { rejection, testBroker } from '../support/actors.js'
import { freePort } from '../support/ports.js'

test('the local address - is the one by which this machine reaches a broker', async t => {
  const { broker } = await testBroker(t)
  const address = await localAddressTowards(broker.url, 5_000)
  const own = Object.values(networkInterfaces()).flatMap(list => list?.map(({ address }) => address) ?? [])
  t.true(own.includes(address), address)
})

test('the local address - cannot be had towards a broker that is not there', async t => {
  const url = `mqtt://127.0.0.1:${await freePort()}`
  t.is(await rejection(localAddressTowards(url, 5_000)), 'BROKER_UNREACHABLE')
  t.is(await rejection(localAddressTowards('mqtt://no-such-host.invalid', 5_000)), 'BROKER_UNREACHABLE')
})

test('the local address - cannot be had towards what is no URL of a broker', async t => {
  for (const url of ['nonsense', 'http://127.0.0.1:1883', 'mqtt://'])
    t.is(await rejection(localAddressTowards(url, 5_000)), 'OPTION_INVALID', url)
})
