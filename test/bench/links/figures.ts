import { quantile } from '../../../core/costs/index.js'
import { type Sample } from './measure.js'
import { type Way, WAYS } from './ways.js'

/** The median of rounds, and the quartiles beside it. */
export interface Figure {
  readonly median: number
  readonly low: number
  readonly high: number
}

export interface Row {
  readonly way: Way
  readonly bytes: number
  readonly mbps: Figure
  readonly p50: Figure
  readonly p99: Figure
  readonly cpuMs: Figure | undefined
  /** Of throughput to that of raw TCP in the same round. */
  readonly ofTcp: Figure
  /** What the median latency is above that of raw TCP in the same round, in ms. */
  readonly aboveTcp: Figure
}

export interface Target {
  readonly what: string
  readonly wanted: number
  readonly measured: number
  readonly kept: boolean
}

/** At least so much of raw TCP's throughput is wanted of the peer link at 800 kB, */
const SHARE = { bytes: 800_000, least: 0.7 }
/** and at 200 kB at most so many ms more than its median latency. */
const LATENCY = { bytes: 200_000, most: 1 }

/** A row of each way at each size, in the order of sizes. */
export function rowsOf(rounds: readonly (readonly Sample[])[]): Row[] {
  const first = rounds[0] ?? []
  const sizes = [...new Set(first.map(({ bytes }) => bytes))]
  const ways = WAYS.filter(way => first.some(sample => sample.way === way))
  return sizes.flatMap(bytes => ways.map(way => rowOf(rounds, way, bytes)))
}

export function targetsOf(rows: readonly Row[]): Target[] {
  const peer = (size: number) => rows.find(({ way, bytes }) => way === 'peer' && bytes === size)
  const share = peer(SHARE.bytes)?.ofTcp.median ?? NaN
  const above = peer(LATENCY.bytes)?.aboveTcp.median ?? NaN
  return [
    {
      what: 'throughput of the peer link at 800 kB, of that of raw TCP',
      ...{ wanted: SHARE.least, measured: share, kept: share >= SHARE.least },
    },
    {
      what: 'median latency of the peer link at 200 kB, ms above that of raw TCP',
      ...{ wanted: LATENCY.most, measured: above, kept: above <= LATENCY.most },
    },
  ]
}

function rowOf(rounds: readonly (readonly Sample[])[], way: Way, bytes: number): Row {
  const of = (which: Way) => rounds.flatMap(one => one.filter(s => s.way === which && s.bytes === bytes))
  const [own, tcp] = [of(way), of('tcp')]
  const beside = (value: (sample: Sample, raw: Sample) => number) =>
    figure(own.flatMap((sample, i) => (tcp[i] === undefined ? [] : [value(sample, tcp[i])])))
  const cpu = own.flatMap(({ cpuMs }) => (cpuMs === undefined ? [] : [cpuMs]))
  return {
    ...{ way, bytes },
    mbps: figure(own.map(({ mbps }) => mbps)),
    p50: figure(own.map(({ p50 }) => p50)),
    p99: figure(own.map(({ p99 }) => p99)),
    cpuMs: cpu.length === 0 ? undefined : figure(cpu),
    ofTcp: beside((sample, raw) => sample.mbps / raw.mbps),
    aboveTcp: beside((sample, raw) => sample.p50 - raw.p50),
  }
}

function figure(values: readonly number[]): Figure {
  const [median, low, high] = [0.5, 0.25, 0.75].map(share => rounded(quantile(values, share)))
  return { median: median ?? NaN, low: low ?? NaN, high: high ?? NaN }
}

function rounded(value: number): number {
  return Number(value.toPrecision(4))
}
