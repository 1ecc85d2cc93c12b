import { type FrameInput } from './check-frame.js'

/** A frame that is admitted before its tensors are there: they are made when its turn comes. */
export class DeferredFrame {
  /**
   * @param bytes  what it takes while it waits
   * @param load  makes the tensors; what it throws is what the frame fails with
   * @param record  what a journal keeps of it; without, none does
   */
  constructor(
    readonly bytes: number,
    readonly load: () => FrameInput | Promise<FrameInput>,
    readonly record?: { readonly note: string; readonly content: Uint8Array },
  ) {}
}
