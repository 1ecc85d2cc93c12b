import test from 'ava'
import fc from 'fast-check'
import { addressOf, namesOf, portOf } from '../../actors/bin/emulator/names.js'
import {
  classOf,
  indexOfClass,
  receiveRate,
  sendFilters,
  sendRates,
} from '../../actors/bin/emulator/shaping.js'

/** Of each `tc` line that has it, the number behind a word. */
function numbers(lines: readonly string[], pattern: RegExp): number[] {
  return lines.flatMap(line => {
    const [, number] = pattern.exec(line) ?? []
    return number === undefined ? [] : [Number(number)]
  })
}

const bandwidth = fc.double({ min: 0.1, max: 10_000, noNaN: true })
const rows = fc.array(bandwidth, { minLength: 1, maxLength: 20 })

test('shaping - each destination has its own limit, and all together that of the fastest', t => {
  const lines = sendRates([0, 100, 6.8], 0).filter(line => line.startsWith('class'))
  const [card, , , first, second] = lines
  t.regex(card ?? '', /classid 1:1 htb rate 100000000bit ceil 100000000bit/)
  t.regex(first ?? '', /parent 1:1 classid 1:11 htb .* ceil 100000000bit/)
  t.regex(second ?? '', /parent 1:1 classid 1:12 htb .* ceil 6800000bit/)
  t.is(lines.length, 5)
})

test('shaping - what the destinations are sure of is never more than what the card can send', t => {
  fc.assert(
    fc.property(rows, row => {
      const inner = sendRates(row, 0).filter(line => line.includes('parent 1:1 '))
      const sure = numbers(inner, / rate (\d+)bit/).reduce((sum, rate) => sum + rate, 0)
      const [card = 0] = numbers(sendRates(row, 0), /classid 1:1 htb rate (\d+)bit/)
      t.true(sure <= card + row.length + 1, `${sure} of ${card}`)
    }),
    { numRuns: 100 },
  )
})

const queuesOf = (row: readonly number[], delayMs: number) =>
  sendRates(row, delayMs).filter(line => line.startsWith('qdisc'))

test('shaping - packets are sorted by the address of the device that they go to', t => {
  const { before, after } = sendFilters(2)
  t.deepEqual(before, ['qdisc add dev eth0 root handle 1: htb default 2'])
  t.deepEqual(
    after,
    [0, 1].map(
      to =>
        `filter add dev eth0 parent 1: protocol ip prio 1 u32 match ip dst ${addressOf(to)}/32 flowid 1:1${to}`,
    ),
  )
})

test('shaping - the queue to a device that cannot be reached takes nothing in', t => {
  t.deepEqual(queuesOf([100, 0], 0), [
    'qdisc replace dev eth0 parent 1:10 handle 10: pfifo limit 1000',
    'qdisc replace dev eth0 parent 1:11 handle 11: pfifo limit 0',
  ])
})

test('shaping - with a delay, each destination has a netem queue with it', t => {
  t.deepEqual(queuesOf([100, 0], 2.5), [
    'qdisc replace dev eth0 parent 1:10 handle 10: netem limit 1000 delay 2.5ms',
    'qdisc replace dev eth0 parent 1:11 handle 11: netem limit 0 delay 2.5ms',
  ])
})

test('shaping - a device receives what its fastest link brings, and its port holds some back', t => {
  t.is(
    receiveRate('p3', [0, 18, 100]),
    'qdisc replace dev p3 root tbf rate 100000000bit burst 50000 limit 2500000',
  )
  fc.assert(
    fc.property(bandwidth, mbps => {
      const [burst = 0] = numbers([receiveRate('p0', [mbps])], /burst (\d+)/)
      const [limit = 0] = numbers([receiveRate('p0', [mbps])], /limit (\d+)/)
      t.true(burst >= 8_000 && limit > burst)
    }),
    { numRuns: 100 },
  )
})

test('shaping - a class tells the device that it is for, and the others tell none', t => {
  for (let i = 0; i < 250; i++) t.is(indexOfClass(`1:${classOf(i)}`), i)
  for (const other of ['', '1:', '1:1', '1:2']) t.is(indexOfClass(other), undefined)
})

test('shaping - no two devices have one address, port or name, and none has the name of the switch', t => {
  const names = namesOf('0123abcd')
  const devices = Array.from({ length: 250 }, (_, i) => i)
  t.is(new Set(devices.map(addressOf)).size, 250)
  t.is(new Set(devices.map(portOf)).size, 250)
  t.is(addressOf(0), '10.99.0.1')
  t.is(addressOf(255), '10.99.1.0')
  const id = fc.stringMatching(/^[a-z0-9-]{1,64}$/)
  fc.assert(
    fc.property(id, id, (a, b) => {
      t.not(names.namespace(a), names.switch)
      t.is(names.namespace(a) === names.namespace(b), a === b)
      t.true(names.owns(names.namespace(a)) && names.owns(names.switch))
      t.false(namesOf('0123abce').owns(names.namespace(a)))
    }),
    { numRuns: 100 },
  )
})
