/**
 * Whether a payload as the MQTT parser gives it has an ArrayBuffer of its own: the parser copies what came in several
 * pieces together, and gives a view of the piece otherwise.
 */
export function spansItsBuffer({ byteOffset, byteLength, buffer }: Uint8Array): boolean {
  return byteOffset === 0 && byteLength === buffer.byteLength
}
