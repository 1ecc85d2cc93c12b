import { type Costs, COSTS_VERSION } from '../../../core/costs/index.js'

/** Of a model of two blocks. */
export const SAMPLE: Costs = {
  version: COSTS_VERSION,
  model: { name: 'sample.onnx', sha256: 'a'.repeat(64), bytes: 1_000 },
  machine: { cpu: 'some processor', cores: 2, node: 'v20.19.0', onnxruntime: '1.30.0' },
  measuredAt: '2026-01-02T03:04:05.678Z',
  runs: 20,
  wholeMs: 5,
  unmappedMs: 0.5,
  spread: 0.02,
  blocks: [
    { from: 0, to: 2, computeMs: 2, weightBytes: 400, activationBytes: 96 },
    { from: 2, to: 3, computeMs: 3, weightBytes: 80, activationBytes: 48 },
  ],
  crossings: [
    { bytes: 100, tensors: 1, floatBytes: 0, floats: 0, channels: 0, cutMsBefore: 0, cutMsAfter: 0 },
    { bytes: 200, tensors: 2, floatBytes: 120, floats: 1, channels: 3, cutMsBefore: 0.25, cutMsAfter: 0.5 },
    { bytes: 50, tensors: 1, floatBytes: 0, floats: 0, channels: 0, cutMsBefore: 0, cutMsAfter: 0 },
  ],
  nodes: [
    { name: 'conv', operator: 'Conv', ms: 2 },
    { name: 'fc', operator: 'Gemm', ms: 2.5 },
  ],
  codec: { encode: { msPerMessage: 1, msPerByte: 0.01 }, decode: { msPerMessage: 0.5, msPerByte: 0.02 } },
  conversions: {
    f16: {
      encode: { msPerMessage: 0.5, msPerByte: 0.125 },
      decode: { msPerMessage: 0.25, msPerByte: 0.125 },
    },
    u8c: {
      encode: { msPerMessage: 1.5, msPerByte: 0.375 },
      decode: { msPerMessage: 0.5, msPerByte: 0.375 },
    },
    u8: { encode: { msPerMessage: 1, msPerByte: 0.25 }, decode: { msPerMessage: 0.5, msPerByte: 0.25 } },
  },
  transport: { msPerMessage: 2, msPerByte: 0.02 },
  memory: { processBytes: 50_000, sessionBytes: 7_000, weightFactor: 1.25 },
}
