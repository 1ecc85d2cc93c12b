import test from 'ava'
import fc from 'fast-check'
import { type ClusterDescription, parseCluster, workingDevices } from '../../core/cluster-file.js'
import { MillraceError } from '../../core/errors.js'

const DEVICES = [
  { id: 'hub', speed: 1, cores: 2, memoryMiB: 1024 },
  { id: 'pi-1', speed: 0.5, cores: 4, memoryMiB: 512 },
  { id: 'pi-2', speed: 0.5, cores: 4, memoryMiB: 512 },
]
const FILE = { dispatcher: 'hub', devices: DEVICES, links: { mbps: 100 } }

/** The message of the refusal, or undefined where there is none. */
function refusal(content: unknown): string | undefined {
  try {
    parseCluster(content, 'test.yaml')
    return undefined
  } catch (error) {
    return error instanceof MillraceError && error.code === 'CLUSTER_INVALID' ? error.message : String(error)
  }
}

test('cluster file - uniform links become a matrix, overrides hold both ways', t => {
  const overrides = [{ between: ['pi-2', 'hub'], mbps: 18 }]
  const cluster = parseCluster({ ...FILE, links: { mbps: 100, rttMs: 1.5, overrides } })
  t.deepEqual(cluster, {
    dispatcher: 'hub',
    devices: DEVICES,
    bandwidthMbps: [
      [0, 100, 18],
      [100, 0, 100],
      [18, 100, 0],
    ],
    rttMs: 1.5,
  })
  t.is(parseCluster(FILE).rttMs, 0)
})

test('cluster file - a matrix is taken as it is, and need not be symmetric', t => {
  const bandwidthMbps = [
    [0, 1000, 6.8],
    [100, 0, 18],
    [2.9, 18, 0],
  ]
  t.deepEqual(parseCluster({ ...FILE, links: undefined, bandwidthMbps }).bandwidthMbps, bandwidthMbps)
})

test('cluster file - devices that cannot reach each other have a link of 0', t => {
  const cluster = parseCluster({
    ...FILE,
    links: { mbps: 100, overrides: [{ between: ['pi-1', 'pi-2'], mbps: 0 }] },
  })
  t.deepEqual(cluster.bandwidthMbps, [
    [0, 100, 100],
    [100, 0, 0],
    [100, 0, 0],
  ])
})

test('cluster file - all devices work but that of the dispatcher', t => {
  t.deepEqual(
    workingDevices(parseCluster({ ...FILE, dispatcher: 'pi-1' })).map(({ id }) => id),
    ['hub', 'pi-2'],
  )
})

const matrix = (...rows: number[][]) => ({ ...FILE, links: undefined, bandwidthMbps: rows })
const between = (...pairs: unknown[]) => ({
  ...FILE,
  links: { mbps: 1, overrides: pairs.map(pair => ({ between: pair, mbps: 1 })) },
})

/** What is wrong, and what the message must say: where, and what would be right. */
const faults: Record<string, [unknown, ...RegExp[]]> = {
  'nothing at all': [null, /the whole/],
  'a text': ['hello', /the whole/],
  'no dispatcher': [{ ...FILE, dispatcher: undefined }, /dispatcher/],
  'a dispatcher that is no device': [{ ...FILE, dispatcher: 'pi-9' }, /dispatcher: .*pi-9.*hub, pi-1, pi-2/],
  'one device only': [{ ...FILE, devices: DEVICES.slice(0, 1) }, /devices/],
  'a name that no topic can have': [
    { ...FILE, devices: [...DEVICES, { ...DEVICES[0], id: 'Pi 1' }] },
    /devices\[3\]\.id: /,
    /a-z0-9-/,
  ],
  'two devices of one id': [{ ...FILE, devices: [...DEVICES, DEVICES[1]] }, /devices\[3\]\.id: .*pi-1/],
  'a speed of zero': [
    { ...FILE, devices: [DEVICES[0], { ...DEVICES[1], speed: 0 }] },
    /devices\[1\]\.speed: /,
  ],
  'half a core': [{ ...FILE, devices: [DEVICES[0], { ...DEVICES[1], cores: 0.5 }] }, /devices\[1\]\.cores: /],
  'no memory': [
    { ...FILE, devices: [DEVICES[0], { ...DEVICES[1], memoryMiB: 0 }] },
    /devices\[1\]\.memoryMiB: /,
  ],
  'an unknown key': [{ ...FILE, devices: [DEVICES[0], { ...DEVICES[1], ram: 1 }] }, /devices\[1\]: .*ram/],
  'no links': [{ ...FILE, links: undefined }, /either bandwidthMbps or links/],
  'links and a matrix': [
    { ...FILE, bandwidthMbps: matrix([0]).bandwidthMbps },
    /either bandwidthMbps or links/,
  ],
  'links without speed': [{ ...FILE, links: { mbps: 0 } }, /links\.mbps: /],
  'a negative delay': [{ ...FILE, links: { mbps: 1, rttMs: -1 } }, /links\.rttMs: /],
  'a matrix that is too small': [matrix([0, 1], [1, 0]), /bandwidthMbps: .*3 rows of 3/],
  'a matrix without a way to the dispatcher': [
    matrix([0, 1, 1], [1, 0, 1], [0, 1, 0]),
    /bandwidthMbps\[2\]\[0\]: .*dispatcher/,
  ],
  'an override without a way to the dispatcher': [
    { ...FILE, links: { mbps: 1, overrides: [{ between: ['hub', 'pi-1'], mbps: 0 }] } },
    /links\.overrides\[0\]\.mbps: .*dispatcher/,
  ],
  'a matrix with a link to itself': [
    matrix([0, 1, 1], [1, 5, 1], [1, 1, 0]),
    /bandwidthMbps\[1\]\[1\]: .*itself/,
  ],
  'an override between strangers': [between(['hub', 'pi-9']), /links\.overrides\[0\]\.between\[1\]: .*pi-9/],
  'an override of one device': [between(['hub', 'hub']), /links\.overrides\[0\]\.between: .*itself/],
  'an override of three': [between(['hub', 'pi-1', 'pi-2']), /links\.overrides\[0\]\.between/],
  'a pair that is overridden twice': [
    between(['hub', 'pi-1'], ['pi-1', 'hub']),
    /links\.overrides\[1\]\.between: .*two overrides/,
  ],
}

for (const [what, [content, ...says]] of Object.entries(faults)) {
  test(`cluster file - ${what} is refused, and the message names the field`, t => {
    const message = refusal(content)
    t.regex(message ?? '', /^test\.yaml: /)
    for (const part of says) t.regex(message ?? '', part)
  })
}

test('cluster file - several faults are said at once', t => {
  const message = refusal({
    ...FILE,
    devices: [
      { ...DEVICES[0], speed: -1 },
      { ...DEVICES[1], cores: 0 },
    ],
  })
  t.regex(message ?? '', /devices\[0\]\.speed: .*; devices\[1\]\.cores: /)
})

const ids = fc.uniqueArray(fc.stringMatching(/^[a-z0-9-]{1,10}$/), { minLength: 2, maxLength: 8 })
const files = ids.chain(all =>
  fc.record({
    dispatcher: fc.constantFrom(...all),
    devices: fc.tuple(
      ...all.map(id =>
        fc.record({
          id: fc.constant(id),
          speed: fc.double({ min: 0.01, max: 10, noNaN: true }),
          cores: fc.integer({ min: 1, max: 64 }),
          memoryMiB: fc.integer({ min: 1, max: 65_536 }),
        }),
      ),
    ),
    links: fc.record({
      mbps: fc.double({ min: 0.1, max: 10_000, noNaN: true }),
      rttMs: fc.double({ min: 0, max: 100, noNaN: true }),
      overrides: fc
        .tuple(
          fc.constantFrom(...all),
          fc.constantFrom(...all),
          fc.double({ min: 0.1, max: 1_000, noNaN: true }),
        )
        .map(([a, b, mbps]) => (a === b ? [] : [{ between: [a, b], mbps }])),
    }),
  }),
)

test('cluster file - every description that keeps to the form is taken, and its matrix is the one that it says', t => {
  fc.assert(
    fc.property(files, file => {
      const cluster: ClusterDescription = parseCluster(file)
      const [override] = file.links.overrides
      const expected = (from: string, to: string) => {
        if (from === to) return 0
        const special = override?.between.includes(from) === true && override.between.includes(to)
        return special ? override.mbps : file.links.mbps
      }
      const all = file.devices.map(({ id }) => id)
      t.deepEqual(
        cluster.bandwidthMbps,
        all.map(from => all.map(to => expected(from, to))),
      )
      // What was read can be written down as a matrix and read again.
      const { dispatcher, devices, bandwidthMbps } = cluster
      t.deepEqual(parseCluster({ dispatcher, devices, bandwidthMbps }), { ...cluster, rttMs: 0 })
    }),
    { numRuns: 200 },
  )
})

test('cluster file - whatever is given, it is taken or refused with CLUSTER_INVALID', t => {
  const changed = fc.tuple(files, fc.constantFrom('dispatcher', 'devices', 'links'), fc.jsonValue())
  const broken = changed.map(([file, key, value]) => ({ ...file, [key]: value }))
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), broken), content => {
      t.regex(refusal(content) ?? 'test.yaml: taken', /^test\.yaml: /)
    }),
    { numRuns: 300 },
  )
})
