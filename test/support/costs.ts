import { type Costs, COSTS_VERSION } from '../../core/costs/index.js'

/** Of a model of so many operators in a line, each a block of `ms`, with nothing that a cut would cost but handling. */
export function evenCosts(blocks: number, ms: number): Costs {
  const indices = Array.from({ length: blocks }, (_, i) => i)
  const none = { msPerMessage: 0, msPerByte: 0 }
  return {
    version: COSTS_VERSION,
    model: { name: 'line.onnx', sha256: 'a'.repeat(64), bytes: 1_000 },
    machine: { cpu: 'some processor', cores: 2, node: 'v20.19.0', onnxruntime: '1.30.0' },
    measuredAt: '2026-01-02T03:04:05.678Z',
    runs: 5,
    wholeMs: blocks * ms,
    unmappedMs: 0,
    spread: 0,
    blocks: indices.map(i => ({
      ...{ from: i, to: i + 1, computeMs: ms },
      ...{ weightBytes: 10e6, activationBytes: 1e6 },
    })),
    crossings: [...indices, blocks].map(() => ({
      ...{ bytes: 1_000, tensors: 1, floatBytes: 0, floats: 0, channels: 0, cutMsBefore: 0, cutMsAfter: 0 },
    })),
    nodes: [],
    codec: { encode: none, decode: none },
    conversions: {
      f16: { encode: none, decode: none },
      u8c: { encode: none, decode: none },
      u8: { encode: none, decode: none },
    },
    transport: { msPerMessage: 1, msPerByte: 0 },
    memory: { processBytes: 90e6, sessionBytes: 9e6, weightFactor: 1 },
  }
}
