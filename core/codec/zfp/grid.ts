/** The values of a block, as places in the tensor from the block's first value on. */
export interface BlockShape {
  /** Of each value of the block, x fastest. Where the block reaches over the tensor's edge, places within are repeated. */
  readonly places: Int32Array
  /** The values of the block that are in the tensor. */
  readonly inside: Int32Array
}

const EDGE = 4
/** Where the 4 values of a line come from when so many of them are in the tensor. */
const PADDING = [
  [0, 0, 0, 0],
  [0, 1, 1, 0],
  [0, 1, 2, 0],
  [0, 1, 2, 3],
] as const

/** A tensor of 1 to 4 dimensions as blocks of 4 values in each. */
export class BlockGrid {
  readonly #rank: number
  /** x, y, z, w; those that the tensor does not have are 1. */
  readonly #extents: readonly number[]
  readonly #strides: readonly number[]
  /** By which dimensions a block reaches over the edge of, a bit for each; made when there is such a block. */
  readonly #shapes: BlockShape[] = []

  /** @param dims  row-major, 1 to 4 of them, each 1 or more */
  constructor(dims: readonly number[]) {
    this.#rank = dims.length
    this.#extents = [...dims.toReversed(), 1, 1, 1].slice(0, 4)
    this.#strides = this.#extents.map((_, axis) => this.#extents.slice(0, axis).reduce((a, b) => a * b, 1))
  }

  /** Visits the blocks in the order of the stream, x fastest. `first` is where a block's first value is. */
  forEach(visit: (shape: BlockShape, first: number) => void): void {
    const [nx = 1, ny = 1, nz = 1, nw = 1] = this.#extents
    const [, sy = 0, sz = 0, sw = 0] = this.#strides
    const dimensions = 2 ** this.#rank - 1
    for (let w = 0; w < nw; w += EDGE) {
      for (let z = 0; z < nz; z += EDGE) {
        for (let y = 0; y < ny; y += EDGE) {
          const edges = over(y, ny, 2) | over(z, nz, 4) | over(w, nw, 8)
          for (let x = 0; x < nx; x += EDGE) {
            visit(this.#shape((edges | over(x, nx, 1)) & dimensions), x + sy * y + sz * z + sw * w)
          }
        }
      }
    }
  }

  #shape(edges: number): BlockShape {
    const known = this.#shapes[edges]
    if (known !== undefined) return known
    const widths = this.#extents
      .slice(0, this.#rank)
      .map((extent, axis) => ((edges >> axis) & 1 ? ((extent - 1) % EDGE) + 1 : EDGE))
    return (this.#shapes[edges] = blockShape(widths, this.#strides))
  }
}

/** @param widths  values of the block that are in the tensor, in each dimension, 1 to 4 */
function blockShape(widths: readonly number[], strides: readonly number[]): BlockShape {
  let places = [0]
  let inside = [true]
  for (const [axis, width] of widths.entries()) {
    const line = PADDING[width - 1] ?? []
    const stride = strides[axis] ?? 0
    places = line.flatMap(within => places.map(place => place + within * stride))
    inside = line.flatMap((_, i) => inside.map(is => is && i < width))
  }
  return {
    places: Int32Array.from(places),
    inside: Int32Array.from(inside.flatMap((is, value) => (is ? [value] : []))),
  }
}

function over(start: number, extent: number, bit: number): number {
  return extent - start < EDGE ? bit : 0
}

/** Blocks of a tensor of `dims`; Infinity where a double cannot hold it. */
export function blockCount(dims: readonly number[]): number {
  return dims.reduce((count, dim) => count * Math.ceil(dim / EDGE), 1)
}
