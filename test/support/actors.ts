import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ExecutionContext } from 'ava'
import { filter as where, interval, map, type Observable, ReplaySubject, startWith } from 'rxjs'
import { type z } from 'zod'
import { PartStore } from '../../actors/model-store/index.js'
import { type BusOptions, connectBus, type EmbeddedBroker, startBroker } from '../../broker/index.js'
import { type Bus, type BusMessage } from '../../core/bus.js'
import { decodeControl } from '../../core/control/index.js'
import { type ErrorCode, MillraceError } from '../../core/errors.js'
import { ModelBuilder } from '../../core/synthetic/index.js'
import { tensor, type Tensor, type Tensors } from '../../core/tensor.js'
import { topicsOf } from '../../core/topics.js'
import { firstWhere } from '../../core/wait.js'

/** A wait that lasts so long has failed; no test waits for it to pass. */
const LIMIT_MS = 60_000

export const TOPICS = topicsOf()

export interface TestBroker {
  readonly broker: EmbeddedBroker
  /** Connections in this process, which end with the test. */
  readonly connect: (clientId: string, options?: Partial<BusOptions>) => Promise<Bus>
  /** The same through a socket. */
  readonly dial: (clientId: string, options?: Partial<BusOptions>) => Promise<Bus>
}

export async function testBroker(t: ExecutionContext): Promise<TestBroker> {
  const broker = await startBroker({ port: 0 })
  t.teardown(() => broker.close())
  const closing = async (opening: Promise<Bus>) => {
    const bus = await opening
    t.teardown(() => bus.close())
    return bus
  }
  return {
    broker,
    connect: (clientId, options) => closing(broker.connect({ clientId, ...options })),
    dial: (clientId, options) => closing(connectBus(broker.url, { clientId, ...options })),
  }
}

export async function testFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A store of model parts in a folder of its own, unless one is given. */
export async function testStore(
  t: ExecutionContext,
  { folder, limitBytes }: { readonly folder?: string; readonly limitBytes?: number } = {},
): Promise<PartStore> {
  const store = await PartStore.open(folder ?? (await testFolder(t)), limitBytes)
  t.teardown(() => store.close())
  return store
}

/** The files of a store, without what says whose it is. */
export async function filesIn({ directory }: PartStore): Promise<string[]> {
  return (await readdir(directory)).filter(name => !name.includes('.lease'))
}

/** Everything that arrives at `filter` from now on, from the first on for each subscriber; payloads are copies. */
export async function listen(bus: Bus, filter: string, qos: 0 | 1 = 0): Promise<Observable<BusMessage>> {
  const heard = new ReplaySubject<BusMessage>()
  await bus.subscribe(
    filter,
    message => heard.next({ ...message, payload: new Uint8Array(message.payload) }),
    { qos },
  )
  return heard
}

/** The control messages that arrive at `filter` from now on, without what is none or takes a retained one back. */
export async function hear<T>(bus: Bus, filter: string, schema: z.ZodType<T>): Promise<Observable<T>> {
  return (await listen(bus, filter, 1)).pipe(
    map(({ payload }) => decodeControl(schema, payload)),
    where(message => message !== undefined),
  )
}

/** The first value of `source` for which `test` holds. */
export function until<T>(source: Observable<T>, test: (value: T) => boolean = () => true): Promise<T> {
  return firstWhere(source, test, LIMIT_MS, () => new MillraceError('INTERNAL', 'the awaited did not come'))
}

/** Lets whatever is settled have its effect. */
export function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/** Looks again and again until `test` holds, for what no event tells: other processes, and counters. */
export async function inTurns(test: () => boolean): Promise<void> {
  await until(interval(10).pipe(startWith(0)), test)
}

/** The code that `promise` fails with; the error itself where it has none; undefined where it does not fail. */
export async function rejection(promise: Promise<unknown>): Promise<ErrorCode | Error | undefined> {
  try {
    await promise
    return undefined
  } catch (error) {
    if (error instanceof MillraceError) return error.code
    return error instanceof Error ? error : new Error(String(error))
  }
}

export function row(...values: number[]): Tensor {
  return tensor('float32', [1, values.length], Float32Array.from(values))
}

export function numbersOf(tensors: Tensors, name: string): number[] {
  return Array.from(tensors[name]?.data ?? [], Number)
}

/** `sum` = `x` + addend, for rows of two: a model of one operator. */
export function adder(addend: number, input = 'x', output = 'sum'): Uint8Array {
  const model = new ModelBuilder('adder')
  const x = model.input(input, [1, 2])
  const w = model.weight('addend', [2], () => Float32Array.of(addend, addend))
  model.output(model.node('Add', [x, w], {}, output), [1, 2])
  return model.build()
}

/** `y` = `x` times two to the power of `operators`, for rows of two: a model of as many operators in a line. */
export function doubler(operators: number): Uint8Array {
  const model = new ModelBuilder('doubler')
  let x = model.input('x', [1, 2])
  const two = model.weight('two', [1], () => Float32Array.of(2))
  for (let i = 1; i <= operators; i++) x = model.node('Mul', [x, two], {}, i === operators ? 'y' : `x${i}`)
  model.output(x, [1, 2])
  return model.build()
}

/** Rows of two as well, but each run takes in the order of `rounds` hundredths of a second. */
export function plodder(rounds: number): Uint8Array {
  const size = 512
  const model = new ModelBuilder('plodder')
  const x = model.input('x', [1, 2])
  const zeros = model.weight('zeros', [size, size], () => new Float32Array(size * size))
  // What is added comes of the input, so that nothing can be worked out before the run.
  let work = model.node('Add', [zeros, model.node('ReduceMean', [x], { axes: [0, 1], keepdims: 1 })])
  for (let i = 0; i < rounds; i++) work = model.node('MatMul', [work, zeros])
  model.output(
    model.node('Add', [x, model.node('ReduceMean', [work], { axes: [0, 1], keepdims: 1 })], {}, 'y'),
    [1, 2],
  )
  return model.build()
}

export async function modelFile(t: ExecutionContext, model: Uint8Array): Promise<string> {
  const path = join(await testFolder(t), 'model.onnx')
  await writeFile(path, model)
  return path
}
