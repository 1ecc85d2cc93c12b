import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type Tensor, tensor } from 'millrace'

const SIDE = 8
const PIXELS = SIDE * SIDE
/** The largest value of a pixel. */
const BLACK = 16
const SHADES = ' .:-=+*%#'

/** One image that the network was not trained on. */
export interface Digit {
  /** 8 x 8 pixels, row by row, 0 (white) to 16. */
  readonly pixels: Uint8Array
  /** What it shows, 0 to 9. */
  readonly label: number
}

/** An image and what the network made of it. */
export interface Reading {
  readonly digit: Digit
  readonly read: number | undefined
}

/** The trained network: `image` float32 [1, 1, 8, 8] to `logits` float32 [1, 10]. */
export const MODEL = pathOf('digits.onnx')

/** All held-out images; README.md beside this file describes the two files. */
export async function readDigits(): Promise<Digit[]> {
  const images = new Uint8Array(await readFile(pathOf('held-out.images')))
  const labels = new Uint8Array(await readFile(pathOf('held-out.labels')))
  return Array.from(labels, (label, i) => ({
    pixels: images.subarray(i * PIXELS, (i + 1) * PIXELS),
    label,
  }))
}

/** The image as the network takes it: white is 0, black is 1. */
export function toTensor({ pixels }: Digit): Tensor {
  return tensor(
    'float32',
    [1, 1, SIDE, SIDE],
    Float32Array.from(pixels, pixel => pixel / BLACK),
  )
}

/** Images side by side, and below each what it was read as. */
export function draw(readings: readonly Reading[]): string {
  const rows = Array.from({ length: SIDE }, (_, y) => readings.map(({ digit }) => drawRow(digit, y)))
  const captions = readings.map(({ digit, read }) => `read ${read}, is ${digit.label}`)
  const line = (cells: readonly string[]) => cells.map(cell => cell.padEnd(2 * SIDE + 2)).join('')
  return [...rows, captions].map(cells => line(cells).trimEnd()).join('\n')
}

/** Two characters a pixel, as characters are about twice as high as wide. */
function drawRow({ pixels }: Digit, y: number): string {
  const row = Array.from(pixels.subarray(y * SIDE, (y + 1) * SIDE))
  return row.map(pixel => (SHADES[Math.floor(pixel / 2)] ?? ' ').repeat(2)).join('')
}

/** This file runs from `dist/`; what it reads is not copied there. */
function pathOf(name: string): string {
  return fileURLToPath(new URL(`../../../examples/digits/${name}`, import.meta.url))
}
