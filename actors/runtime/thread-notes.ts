import { randomUUID } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { MillraceError } from '../../core/errors.js'
import { type PlaceNote, type ThreadFrame } from './thread-frames.js'

/** Under which a runtime process has the file, behind its channel to the agent. */
export const NOTES_FD = 4
/** Names are of 64 characters at most. */
const PLACE_BYTES = 512
const LENGTH_BYTES = 2
/** Are there from the beginning, so that a disk that is full later harms nothing. */
const PLACES = 64

/**
 * A file without a name, that nothing is left of when both ends have closed it. What a runtime process writes to it is there
 * whatever becomes of the process, and costs neither of the two a message.
 * @returns its descriptor
 * @throws RUNTIME_CRASHED: the folder cannot be written to
 */
export function openThreadNotes(folder: string): number {
  const path = join(folder, `millrace-threads-${randomUUID()}`)
  let fd: number | undefined
  try {
    fd = openSync(path, 'wx+', 0o600)
    unlinkSync(path)
    writeSync(fd, new Uint8Array(PLACES * PLACE_BYTES))
    return fd
  } catch (error) {
    if (fd !== undefined) closeSync(fd)
    const needs = `a worker needs room for ${PLACES * PLACE_BYTES} bytes in ${folder}: `
    throw MillraceError.from(error, 'RUNTIME_CRASHED', needs)
  }
}

/** Writes down which frames are in threads. */
export function threadNotes(fd: number): PlaceNote {
  const bytes = Buffer.alloc(PLACE_BYTES)
  return (place, frame) => {
    const length = frame === undefined ? 0 : bytes.write(JSON.stringify(frame), LENGTH_BYTES)
    bytes.writeUInt16LE(length)
    try {
      writeSync(fd, bytes, 0, LENGTH_BYTES + length, place * PLACE_BYTES)
    } catch {
      // A crash names one frame fewer then; that is no reason to lose one now.
    }
  }
}

/** @returns the frames that were written down and have not left; one that is not whole is none */
export function readThreadNotes(fd: number): ThreadFrame[] {
  const bytes = Buffer.alloc(fstatSync(fd).size)
  const size = readSync(fd, bytes, 0, bytes.byteLength, 0)
  const frames: ThreadFrame[] = []
  for (let at = 0; at + LENGTH_BYTES <= size; at += PLACE_BYTES) {
    const start = at + LENGTH_BYTES
    const length = bytes.readUInt16LE(at)
    const frame = length === 0 ? undefined : frameIn(bytes.subarray(start, start + length))
    if (frame !== undefined) frames.push(frame)
  }
  return frames
}

const note = z.object({
  ...{ pipeline: z.string(), dispatcher: z.string(), stream: z.string() },
  ...{ epoch: z.number(), sequence: z.number() },
})

function frameIn(bytes: Buffer): ThreadFrame | undefined {
  try {
    return note.safeParse(JSON.parse(bytes.toString())).data
  } catch {
    return undefined
  }
}
