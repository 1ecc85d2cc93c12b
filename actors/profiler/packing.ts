import { compressSync } from 'lz4-napi'
import { type CrossingCosts } from '../../core/costs/index.js'
import { type Conversion, conversionOf, foldedFor } from '../../core/graph/index.js'
import { type Tensor, type Tensors } from '../../core/tensor.js'
import { LossyWire, wireFor } from '../../core/wire.js'
import { type OnnxSession, openSession } from '../session/index.js'

export type Packed = CrossingCosts['packed']

interface Encoder {
  readonly conversion: Conversion
  readonly session: OnnxSession
}

/** Nothing crosses that LZ4 could make smaller. */
export const UNPACKED: Packed = { f32: 1, f16: 1, u8c: 1, u8: 1 }

/** Compresses what crosses with LZ4, on each wire. */
export class Packer {
  private bytes = 0
  private ms = 0

  private constructor(private readonly encoders: ReadonlyMap<LossyWire, Encoder>) {}

  static async open(): Promise<Packer> {
    const encoders = new Map<LossyWire, Encoder>()
    for (const wire of LossyWire.options) {
      const conversion = conversionOf('encode', wire)
      encoders.set(wire, { conversion, session: await openSession(conversion.model) })
    }
    return new Packer(encoders)
  }

  /** Of all that was compressed. */
  get msPerByte(): number {
    return this.bytes === 0 ? 0 : this.ms / this.bytes
  }

  /** @returns what LZ4 leaves of these tensors on each wire: 1 or less of their bytes there */
  async pack(tensors: Tensors): Promise<Packed> {
    return {
      f32: this.shareOf(Object.values(tensors)),
      f16: await this.shareOn('f16', tensors),
      u8c: await this.shareOn('u8c', tensors),
      u8: await this.shareOn('u8', tensors),
    }
  }

  async close(): Promise<void> {
    for (const { session } of this.encoders.values()) await session.release()
  }

  private async shareOn(wire: LossyWire, tensors: Tensors): Promise<number> {
    const coded: Tensor[] = []
    for (const value of Object.values(tensors)) {
      coded.push(
        ...(value.dtype === 'float32' ? await this.encode(wireFor(wire, value.dims), value) : [value]),
      )
    }
    return this.shareOf(coded)
  }

  private async encode(wire: LossyWire, value: Tensor): Promise<Tensor[]> {
    const encoder = this.encoders.get(wire)
    if (encoder === undefined) return [value]
    const { conversion, session } = encoder
    const outputs = await session.run({
      [conversion.value]: { ...value, dims: foldedFor(wire, value.dims) },
    })
    return Object.values(outputs)
  }

  private shareOf(tensors: readonly Tensor[]): number {
    let [raw, left] = [0, 0]
    for (const { dtype, data } of tensors) {
      if (dtype === 'string' || data.byteLength === 0) continue
      const startedAt = performance.now()
      const { byteLength } = compressSync(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
      this.ms += performance.now() - startedAt
      this.bytes += data.byteLength
      raw += data.byteLength
      left += Math.min(data.byteLength, byteLength)
    }
    return raw === 0 ? 1 : left / raw
  }
}
