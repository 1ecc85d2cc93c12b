import { z } from 'zod'
import { MillraceError } from './errors.js'
import { isName } from './topics.js'

const name = z.string().refine(isName, { message: 'must be 1 to 64 characters of [a-z0-9-]' })
const mbps = z.number().positive().max(1_000_000)

const device = z.strictObject({
  id: name,
  speed: z.number().positive().max(1_000),
  cores: z.int().min(1).max(1_024),
  memoryMiB: z.int().min(1),
})

const links = z.strictObject({
  mbps,
  rttMs: z.number().min(0).max(60_000).default(0),
  overrides: z
    .array(z.strictObject({ between: z.tuple([name, name]), mbps: z.number().min(0).max(1_000_000) }))
    .default([]),
})

const schema = z
  .strictObject({
    dispatcher: name,
    devices: z.array(device).min(2).max(250),
    bandwidthMbps: z.array(z.array(z.number().min(0).max(1_000_000))).optional(),
    links: links.optional(),
  })
  .check(({ value, issues }) => {
    for (const { path, message } of problems(value)) {
      issues.push({ code: 'custom', path: [...path], message, input: value })
    }
  })

type ClusterFile = z.infer<typeof schema>

export type Device = Readonly<z.infer<typeof device>>

/** Machines and the links between them, as a cluster file describes them. */
export interface ClusterDescription {
  /** Id of the device that sends frames in and takes predictions; it runs no partition. */
  readonly dispatcher: string
  /**
   * In the order of the file. `speed` is that of one core, where 1 is a core of the machine that plans or emulates;
   * `memoryMiB` is all that Millrace may use there.
   */
  readonly devices: readonly Device[]
  /**
   * `[from][to]` in the order of devices, in 10^6 bit/s; 0 from a device to itself, and to one that it cannot reach, as
   * behind a firewall.
   */
  readonly bandwidthMbps: readonly (readonly number[])[]
  /** Of any link, both ways together; 0 where the file does not say. */
  readonly rttMs: number
}

/**
 * Checks a cluster description (parsed YAML or JSON).
 * @throws CLUSTER_INVALID: a key is unknown, missing or has a value that it cannot take; the message has its path
 */
export function parseCluster(content: unknown, title = 'cluster description'): ClusterDescription {
  const result = schema.safeParse(content)
  if (!result.success) {
    const said = result.error.issues.map(issue => `${pathOf(issue.path)}: ${issue.message}`)
    throw new MillraceError('CLUSTER_INVALID', `${title}: ${said.join('; ')}`)
  }
  const { dispatcher, devices, links } = result.data
  return { dispatcher, devices, bandwidthMbps: bandwidthOf(result.data), rttMs: links?.rttMs ?? 0 }
}

/** The devices that run partitions: all but the dispatcher's. */
export function workingDevices({ dispatcher, devices }: ClusterDescription): Device[] {
  return devices.filter(({ id }) => id !== dispatcher)
}

interface Problem {
  readonly path: readonly (string | number)[]
  readonly message: string
}

/** What no single value tells: names that must agree, and two ways to say the same of which one is to be there. */
function problems(file: ClusterFile): Problem[] {
  const ids = file.devices.map(({ id }) => id)
  const unknown = (id: string, path: Problem['path']): Problem[] =>
    ids.includes(id) ? [] : [{ path, message: `no device has the id '${id}'; there are ${ids.join(', ')}` }]
  const twice = ids.flatMap((id, i) =>
    ids.indexOf(id) < i ? [{ path: ['devices', i, 'id'], message: `two devices have the id '${id}'` }] : [],
  )
  const both = { path: ['links'], message: 'give either bandwidthMbps or links, and not both' }
  return [
    ...twice,
    ...unknown(file.dispatcher, ['dispatcher']),
    ...((file.bandwidthMbps === undefined) === (file.links === undefined) ? [both] : []),
    ...(file.bandwidthMbps === undefined
      ? []
      : matrixProblems(file.bandwidthMbps, ids.length, ids.indexOf(file.dispatcher))),
    ...(file.links?.overrides ?? []).flatMap(({ between: [a, b], mbps }, i) => {
      const path = ['links', 'overrides', i, 'between']
      const cut = mbps === 0 && [a, b].includes(file.dispatcher)
      const same = a === b ? [{ path, message: 'a device has no link to itself' }] : []
      const alone = cut ? [{ path: ['links', 'overrides', i, 'mbps'], message: MUST_REACH }] : []
      return [...unknown(a, [...path, 0]), ...unknown(b, [...path, 1]), ...same, ...alone]
    }),
    ...repeatedPairs(file.links?.overrides ?? []),
  ]
}

const MUST_REACH = "must be more than 0: the dispatcher's device reaches every other"

function matrixProblems(matrix: readonly (readonly number[])[], size: number, dispatcher: number): Problem[] {
  const square = matrix.length === size && matrix.every(row => row.length === size)
  if (!square)
    return [{ path: ['bandwidthMbps'], message: `must be ${size} rows of ${size}, one per device` }]
  return matrix.flatMap((row, i) =>
    row.flatMap((value, j) => {
      const wrong = i === j ? value !== 0 : value === 0 && [i, j].includes(dispatcher)
      const message = i === j ? 'must be 0: a device has no link to itself' : MUST_REACH
      return wrong ? [{ path: ['bandwidthMbps', i, j], message }] : []
    }),
  )
}

function repeatedPairs(overrides: readonly { readonly between: readonly [string, string] }[]): Problem[] {
  const pairs = overrides.map(({ between }) => [...between].sort().join(' and '))
  return pairs.flatMap((pair, i) =>
    pairs.indexOf(pair) < i
      ? [{ path: ['links', 'overrides', i, 'between'], message: `${pair} stand in two overrides` }]
      : [],
  )
}

function bandwidthOf({ devices, bandwidthMbps, links }: ClusterFile): readonly (readonly number[])[] {
  if (bandwidthMbps !== undefined) return bandwidthMbps
  const between = (a: string, b: string) =>
    links?.overrides.find(({ between }) => between.includes(a) && between.includes(b))?.mbps
  return devices.map(({ id: from }) =>
    devices.map(({ id: to }) => (from === to ? 0 : (between(from, to) ?? links?.mbps ?? 0))),
  )
}

/** `devices[2].speed`. */
function pathOf(path: readonly PropertyKey[]): string {
  const text = path.map(key => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('')
  return text === '' ? 'the whole' : text.replace(/^\./, '')
}
